package modprobe

import (
	"strings"

	"github.com/gomodprobe/gomodprobe/cmd/internal/cli"
	"github.com/gomodprobe/gomodprobe/modprobe"
)

// stepJSON is one step of a plan: --json with -D, -n or -r.
type stepJSON struct {
	Op        string `json:"op"`
	Module    string `json:"module,omitempty"`
	Alias     string `json:"alias,omitempty"`
	Path      string `json:"path,omitempty"`
	Params    string `json:"params,omitempty"`
	Command   string `json:"command,omitempty"`
	Requested bool   `json:"requested"`
	Required  bool   `json:"required"`
	Error     string `json:"error,omitempty"`
}

// newStepJSON returns the document of a step.
func newStepJSON(s modprobe.Step) stepJSON {
	doc := stepJSON{
		Op: s.Op, Module: s.Module.Name, Alias: s.Module.Alias, Path: s.Module.Path,
		Params: strings.TrimRight(s.Params, " "), Command: s.Command, Requested: s.Requested,
		Required: s.Required,
	}
	if s.Err != nil {
		doc.Error = s.Err.Error()
	}
	return doc
}

// foundJSON is what an operand of -R stands for: --json -R. There are no modules if it is not found.
type foundJSON struct {
	Name    string       `json:"name"`
	Modules []moduleJSON `json:"modules"`
}

// moduleJSON is one module that a name stands for.
type moduleJSON struct {
	Name    string   `json:"name"`
	Path    string   `json:"path,omitempty"`
	Builtin bool     `json:"builtin"`
	Depends []string `json:"depends"`
}

// newFoundJSON returns the document of an operand of -R.
func newFoundJSON(name string, modules []modprobe.Module) foundJSON {
	return foundJSON{name, cli.Each(modules, func(m modprobe.Module) moduleJSON {
		return moduleJSON{m.Name, m.Path, m.Builtin, cli.OrEmpty(m.Depends)}
	})}
}

// configJSON is the configuration without the aliases of the modules: --json -c.
type configJSON struct {
	Directory string        `json:"directory"`
	Blacklist []string      `json:"blacklist"`
	Install   []commandJSON `json:"install"`
	Remove    []commandJSON `json:"remove"`
	Alias     []aliasJSON   `json:"alias"`
	Options   []optionJSON  `json:"options"`
	Softdep   []softdepJSON `json:"softdep"`
	Weakdep   []weakdepJSON `json:"weakdep"`
	Forbid    []ruleJSON    `json:"forbid"`
	Allow     []ruleJSON    `json:"allow"`
}

type commandJSON struct {
	Pattern string `json:"pattern"`
	Command string `json:"command"`
}

type aliasJSON struct {
	Pattern string `json:"pattern"`
	Module  string `json:"module"`
}

type optionJSON struct {
	Module string `json:"module"`
	Params string `json:"params"`
}

type softdepJSON struct {
	Pattern string   `json:"pattern"`
	Pre     []string `json:"pre"`
	Post    []string `json:"post"`
}

type weakdepJSON struct {
	Pattern string   `json:"pattern"`
	Modules []string `json:"modules"`
}

type ruleJSON struct {
	Pattern string `json:"pattern"`
	Reason  string `json:"reason"`
	Line    string `json:"line"`
}

// newConfigJSON returns the document of the configuration.
func newConfigJSON(dir string, c *modprobe.Config) configJSON {
	command := func(x modprobe.Command) commandJSON { return commandJSON{x.Pattern, x.Text} }
	rule := func(x modprobe.Rule) ruleJSON { return ruleJSON{x.Pattern, x.Reason, x.At()} }
	return configJSON{
		Directory: dir,
		Blacklist: cli.OrEmpty(c.Blacklist),
		Install:   cli.Each(c.Install, command),
		Remove:    cli.Each(c.Remove, command),
		Alias: cli.Each(c.Aliases,
			func(x modprobe.Alias) aliasJSON { return aliasJSON{x.Pattern, x.Module} }),
		Options: cli.Each(c.Options,
			func(x modprobe.Setting) optionJSON { return optionJSON{x.Module, x.Text} }),
		Softdep: cli.Each(c.Softdeps, func(x modprobe.Softdep) softdepJSON {
			return softdepJSON{x.Pattern, cli.OrEmpty(x.Pre), cli.OrEmpty(x.Post)}
		}),
		Weakdep: cli.Each(c.Weakdeps, func(x modprobe.Weakdep) weakdepJSON {
			return weakdepJSON{x.Pattern, cli.OrEmpty(x.Modules)}
		}),
		Forbid: cli.Each(c.Forbid, rule),
		Allow:  cli.Each(c.Allow, rule),
	}
}
