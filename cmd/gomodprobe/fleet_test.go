package main_test

import (
	"encoding/json"
	"encoding/xml"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"

	"github.com/gomodprobe/gomodprobe/internal/test/kmodtest"
)

// These are the fields of Kubernetes that the manifests of docs/fleet.md have, as its API defines them. A manifest with
// another one is refused, as by kubectl with strict validation.
type (
	manifest struct {
		APIVersion string            `yaml:"apiVersion"`
		Kind       string            `yaml:"kind"`
		Metadata   map[string]string `yaml:"metadata"`
		Spec       struct {
			BackoffLimit *int `yaml:"backoffLimit"`
			Selector     *struct {
				MatchLabels map[string]string `yaml:"matchLabels"`
			} `yaml:"selector"`
			Template struct {
				Metadata struct {
					Labels map[string]string `yaml:"labels"`
				} `yaml:"metadata"`
				Spec pod `yaml:"spec"`
			} `yaml:"template"`
		} `yaml:"spec"`
	}
	pod struct {
		RestartPolicy                string `yaml:"restartPolicy"`
		AutomountServiceAccountToken *bool  `yaml:"automountServiceAccountToken"`
		Tolerations                  []struct {
			Operator string `yaml:"operator"`
		} `yaml:"tolerations"`
		InitContainers []container `yaml:"initContainers"`
		Containers     []container `yaml:"containers"`
		Volumes        []struct {
			Name     string `yaml:"name"`
			HostPath *struct {
				Path string `yaml:"path"`
				Type string `yaml:"type"`
			} `yaml:"hostPath"`
			ConfigMap *struct {
				Name string `yaml:"name"`
			} `yaml:"configMap"`
			PersistentVolumeClaim *struct {
				ClaimName string `yaml:"claimName"`
			} `yaml:"persistentVolumeClaim"`
		} `yaml:"volumes"`
	}
	container struct {
		Name            string   `yaml:"name"`
		Image           string   `yaml:"image"`
		Command         []string `yaml:"command"`
		SecurityContext struct {
			Privileged               bool `yaml:"privileged"`
			RunAsNonRoot             bool `yaml:"runAsNonRoot"`
			RunAsUser                int  `yaml:"runAsUser"`
			AllowPrivilegeEscalation bool `yaml:"allowPrivilegeEscalation"`
			ReadOnlyRootFilesystem   bool `yaml:"readOnlyRootFilesystem"`
			Capabilities             struct {
				Add  []string `yaml:"add"`
				Drop []string `yaml:"drop"`
			} `yaml:"capabilities"`
		} `yaml:"securityContext"`
		Resources struct {
			Limits map[string]string `yaml:"limits"`
		} `yaml:"resources"`
		VolumeMounts []struct {
			Name      string `yaml:"name"`
			MountPath string `yaml:"mountPath"`
			ReadOnly  bool   `yaml:"readOnly"`
		} `yaml:"volumeMounts"`
	}
)

// fleetPage returns the blocks of docs/fleet.md in a language.
func fleetPage(t *testing.T, language string) (blocks []string) {
	t.Helper()
	page, err := os.ReadFile("../../docs/fleet.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range regexp.MustCompile("(?s)\n```"+language+"\n(.*?)```\n").FindAllStringSubmatch(string(page), -1) {
		blocks = append(blocks, m[1])
	}
	return blocks
}

// TestFleetManifests: the manifests have only fields that Kubernetes has, those that it demands, and no privileges.
func TestFleetManifests(t *testing.T) {
	kinds := map[string]string{"DaemonSet": "apps/v1", "Job": "batch/v1"}
	for _, block := range fleetPage(t, "yaml") {
		var m manifest
		d := yaml.NewDecoder(strings.NewReader(block))
		d.KnownFields(true)
		if err := d.Decode(&m); err != nil {
			t.Fatalf("%v in\n%s", err, block)
		}
		if m.APIVersion == "" || kinds[m.Kind] != m.APIVersion || m.Metadata["name"] == "" {
			t.Errorf("%s %s named %q", m.APIVersion, m.Kind, m.Metadata["name"])
		}
		delete(kinds, m.Kind)
		template := m.Spec.Template
		switch m.Kind {
		case "DaemonSet":
			if m.Spec.Selector == nil || len(m.Spec.Selector.MatchLabels) == 0 || template.Spec.RestartPolicy != "" {
				t.Errorf("a DaemonSet needs a selector, and restarts always")
				continue
			}
			for k, v := range m.Spec.Selector.MatchLabels {
				if template.Metadata.Labels[k] != v {
					t.Errorf("the selector %s=%s does not select the template", k, v)
				}
			}
		case "Job":
			if template.Spec.RestartPolicy != "Never" {
				t.Errorf("a Job that is to fail must not restart")
			}
		}
		var volumes []string
		for _, v := range template.Spec.Volumes {
			if v.HostPath == nil && v.ConfigMap == nil && v.PersistentVolumeClaim == nil {
				t.Errorf("the volume %s has no source", v.Name)
			}
			volumes = append(volumes, v.Name)
		}
		if len(template.Spec.Containers) == 0 {
			t.Errorf("a pod needs a container")
		}
		for _, c := range slices.Concat(template.Spec.InitContainers, template.Spec.Containers) {
			checkContainer(t, c, volumes)
		}
	}
	if len(kinds) > 0 {
		t.Errorf("the page lacks %v", kinds)
	}
}

func checkContainer(t *testing.T, c container, volumes []string) {
	t.Helper()
	s := c.SecurityContext
	ours := len(c.Command) > 0
	if c.Name == "" || c.Image == "" || s.Privileged || len(s.Capabilities.Add) > 0 {
		t.Errorf("container %+v", c)
	}
	if ours && (!s.ReadOnlyRootFilesystem || !slices.Equal(s.Capabilities.Drop, []string{"ALL"})) {
		t.Errorf("%s has more rights than it needs", c.Name)
	}
	for _, m := range c.VolumeMounts {
		if !slices.Contains(volumes, m.Name) || !strings.HasPrefix(m.MountPath, "/") || !m.ReadOnly {
			t.Errorf("%s mounts %s at %s", c.Name, m.Name, m.MountPath)
		}
	}
}

// TestFleetCommands runs every command line of the page, with the image and a module of a real kernel.
func TestFleetCommands(t *testing.T) {
	dir, release := kmodtest.Corpus(t, "6.1-cloud")
	var commands [][]string
	for _, block := range fleetPage(t, "sh") {
		for line := range strings.Lines(block) {
			commands = append(commands, strings.Fields(strings.ReplaceAll(line, "'", "")))
		}
	}
	for _, block := range fleetPage(t, "yaml") {
		var m manifest
		if err := yaml.Unmarshal([]byte(block), &m); err != nil {
			t.Fatal(err)
		}
		for _, c := range slices.Concat(m.Spec.Template.Spec.InitContainers, m.Spec.Template.Spec.Containers) {
			if len(c.Command) > 0 {
				commands = append(commands, c.Command)
			}
		}
	}
	if len(commands) != 4 {
		t.Fatalf("%d command lines; want 4: %v", len(commands), commands)
	}
	s := kmodtest.NewSandbox(t)
	copyIn := func(from, to string) {
		data, err := os.ReadFile(filepath.Join(dir, from))
		if err != nil {
			t.Fatal(err)
		}
		s.WriteFile(t, to, string(data))
	}
	tree := "lib/modules/" + release
	for _, to := range []string{"images/new", "boot/vmlinuz-" + release} {
		copyIn("boot/vmlinuz", to)
	}
	for _, to := range []string{"drivers/probe.ko", "driver/probe.ko"} {
		copyIn(tree+"/kernel/fs/fat/fat.ko", to)
	}
	for _, name := range []string{"/kernel/fs/fat/vfat.ko", "/kernel/fs/fat/fat.ko", "/modules.builtin"} {
		copyIn(tree+name, tree+name)
	}
	for _, command := range commands {
		r := s.Ours(t, kmodtest.Run{Args: command})
		if r.Status != 0 || len(r.Calls) > 0 {
			t.Errorf("%v: %v", command, r)
			continue
		}
		var err error
		if slices.Contains(command, "junit") {
			err = xml.Unmarshal([]byte(r.Stdout), new(struct{ XMLName xml.Name }))
		} else {
			err = json.Unmarshal([]byte(r.Stdout), new(any))
		}
		if err != nil {
			t.Errorf("%v: %v in\n%s", command, err, r.Stdout)
		}
	}
}
