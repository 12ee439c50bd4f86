package cli

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"io/fs"
	"slices"
	"strings"
	"time"

	"github.com/gomodprobe/gomodprobe/internal/trusted"
	"github.com/gomodprobe/gomodprobe/modprobe"
)

// Refusal is what is kept of the loads that one line of modprobe.d refused for one reason.
type Refusal struct {
	// Module is the module that may not be loaded.
	Module string `json:"module"`
	// Name is what was asked for at last.
	Name string `json:"name"`
	// Chain leads from the module that was asked for to Module.
	Chain []string `json:"chain"`
	// Rule says which line forbids it, and why.
	Rule string `json:"rule"`
	// Count is how often, at least.
	Count int `json:"count"`
	// First and Last are when, in RFC 3339.
	First string `json:"first"`
	Last  string `json:"last"`
	// Boot is the kernel's number for the time since it was started.
	Boot string `json:"boot,omitempty"`
}

// What is kept of refusals: a file for each in a folder that is empty after a boot. Whoever has no privilege can make
// the kernel ask for modules, so the number of files, and of lines in the kernel's log, is bounded.
const (
	refusedDir  = "run/gomodprobe/refused"
	maxRefusals = 1024
	maxRefusal  = 16 << 10 // bytes of a file
	maxName     = 256      // bytes of a name as it was asked for
)

// Refused keeps the fact that a load was refused, for modprobe --audit and in the kernel's log: a line the first, the
// tenth, the hundredth time and so on. name is what was asked for. It is silent: not everyone may write there.
func Refused(env *Env, name string, e *modprobe.Error) {
	if env.WriteOwned == nil {
		return
	}
	r := Refusal{Module: e.Module, Chain: e.Chain, Rule: e.Reason, Boot: bootID(env.FS)}
	file := fmt.Sprintf("%s/%016x", refusedDir, r.hash())
	if old, err := readRefusal(env.FS, file); err == nil && old.Boot == r.Boot && old.Module == r.Module {
		r.Count, r.First = old.Count, old.First
	}
	r.Count++
	r.Last = env.Clock().UTC().Format(time.RFC3339)
	r.First = cmp.Or(r.First, r.Last)
	r.Name = name
	if len(name) > maxName {
		r.Name = strings.ToValidUTF8(name[:maxName], "") + "…"
	}
	data, err := json.Marshal(r)
	if err == nil {
		err = env.WriteOwned("/"+file, append(data, '\n'), maxRefusals)
	}
	if err != nil || isPowerOfTen(r.Count) {
		const warning = 4
		env.Kmsg(fmt.Appendf(nil, "<%d>%s: %.500q not loaded for %q (%d): forbidden %.400s\n",
			warning, Program(env), r.Module, r.Name, r.Count, oneLine(r.Rule)))
	}
}

// hash is a number for the module, the way to it and the line.
func (r *Refusal) hash() uint64 {
	h := fnv.New64a()
	for _, text := range append([]string{r.Module, r.Rule}, r.Chain...) {
		fmt.Fprintf(h, "%q", text)
	}
	return h.Sum64()
}

// Refusals returns what has been refused since the machine was started, sorted by module. That nothing has been kept is
// no error.
func Refusals(env *Env) (list []Refusal, err error) {
	entries, err := fs.ReadDir(env.FS, refusedDir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	boot := bootID(env.FS)
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), ".") {
			continue // being written
		}
		r, err := readRefusal(env.FS, refusedDir+"/"+e.Name())
		switch {
		case errors.Is(err, fs.ErrNotExist): // replaced meanwhile, or one too many
		case err != nil:
			return nil, fmt.Errorf("/%s/%s: %w", refusedDir, e.Name(), Bare(err))
		case r.Boot == boot:
			list = append(list, r)
		}
	}
	slices.SortFunc(list, func(a, b Refusal) int {
		return cmp.Or(cmp.Compare(a.Module, b.Module), cmp.Compare(a.Rule, b.Rule), slices.Compare(a.Chain, b.Chain))
	})
	return list, nil
}

func readRefusal(fsys fs.FS, name string) (r Refusal, err error) {
	data, err := trusted.ReadOwned(fsys, name, maxRefusal)
	if err != nil {
		return r, err
	}
	err = json.Unmarshal(data, &r)
	var syntax *json.SyntaxError
	switch {
	case errors.As(err, &syntax):
		return r, fmt.Errorf("offset %d: %w", syntax.Offset, err)
	case err == nil && (r.Module == "" || len(r.Chain) == 0):
		err = errors.New("it names no module, or no chain to it")
	}
	return r, err
}

// bootID returns what tells one start of the machine from another; "" if there is nothing.
func bootID(fsys fs.FS) string {
	data, _ := fs.ReadFile(fsys, "proc/sys/kernel/random/boot_id")
	return strings.TrimSpace(string(data))
}

func isPowerOfTen(n int) bool {
	for n > 1 && n%10 == 0 {
		n /= 10
	}
	return n == 1
}

// oneLine replaces what would begin a new line of the log.
func oneLine(text string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return '?'
		}
		return r
	}, text)
}
