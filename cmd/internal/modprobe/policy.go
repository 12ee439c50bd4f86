//go:build !kmod_boot

package modprobe

import (
	"errors"
	"fmt"
	"strings"

	"github.com/gomodprobe/gomodprobe/cmd/internal/cli"
	"github.com/gomodprobe/gomodprobe/initramfs"
	"github.com/gomodprobe/gomodprobe/internal/trusted"
	"github.com/gomodprobe/gomodprobe/modprobe"
	"github.com/gomodprobe/gomodprobe/modprobe/policy"
)

// policyJSON says whether one module that a name stands for may be loaded: --policy --json.
type policyJSON struct {
	Name      string         `json:"name"`
	Module    string         `json:"module"`
	Allowed   bool           `json:"allowed"`
	Through   []string       `json:"through"`
	Decisions []decisionJSON `json:"decisions"`
}

// decisionJSON is a modprobe.Decision.
type decisionJSON struct {
	Module  string   `json:"module"`
	Allowed bool     `json:"allowed"`
	Builtin bool     `json:"builtin"`
	Soft    bool     `json:"soft"`
	Line    string   `json:"line,omitempty"`
	Reason  string   `json:"reason,omitempty"`
	Through string   `json:"through,omitempty"`
	Chain   []string `json:"chain"`
}

// explainPolicy is --policy. The status is 1 if one of the modules may not be loaded or there is none.
func (r *modprobeRun) explainPolicy(operands []string) (status int) {
	docs := []policyJSON{}
	for _, operand := range operands {
		name, err := r.operand(operand)
		var modules []modprobe.Module
		if err == nil {
			modules, err = r.p.Resolve(name)
		}
		if err != nil {
			r.fail(operand, err)
			status = 1
			continue
		}
		for _, m := range modules {
			doc := r.explainModule(operand, m)
			if docs = append(docs, doc); !doc.Allowed {
				status = 1
			}
		}
	}
	if r.json {
		r.out.JSON(docs)
	}
	return status
}

// explainModule explains the load of one module, and prints it unless JSON is wanted.
func (r *modprobeRun) explainModule(operand string, m modprobe.Module) policyJSON {
	permission := r.p.Permit(m, &modprobe.PlanOptions{ShowAll: true, IgnoreCommands: r.load.IgnoreCommands})
	doc := policyJSON{Name: operand, Module: m.Name, Allowed: permission.Err() == nil, Through: []string{}}
	if permission == nil {
		doc.Decisions = []decisionJSON{{Module: m.Name, Allowed: true, Builtin: m.Builtin, Chain: []string{m.Name}}}
		r.explainLine(m.Name + ": allowed: nothing is forbidden")
		return doc
	}
	list := permission.Decisions
	for _, d := range list {
		x := decisionJSON{
			Module: d.Module, Allowed: d.Allowed, Builtin: d.InKernel, Soft: d.Soft, Through: d.Through, Chain: d.Chain,
		}
		if d.Rule != nil {
			x.Line, x.Reason = d.Rule.At(), d.Rule.Reason
		}
		doc.Decisions = append(doc.Decisions, x)
	}
	if !doc.Allowed && len(list) == 1 && list[0].Rule.Wildcard() {
		doc.Through = cli.OrEmpty(policy.Through(r.p, m.Name))
	}
	r.explainLine(m.Name + ": " + topText(list, doc.Allowed))
	for _, d := range list[1:] {
		if doc.Allowed {
			r.explainLine("    " + d.Module + ": " + partText(d))
		}
	}
	const most = 10
	for i, other := range doc.Through {
		if i == most {
			r.explainLine(fmt.Sprintf("    and for %d more; --json lists them", len(doc.Through)-most))
			break
		}
		r.explainLine("    allowed for " + other + ", which needs it")
	}
	return doc
}

// explainLine prints a line for people.
func (r *modprobeRun) explainLine(text string) {
	if !r.json {
		r.out.Line(text)
	}
}

// topText says what was decided on the module that was asked for.
func topText(list []modprobe.Decision, ok bool) string {
	top := list[0]
	switch {
	case !ok && len(list) > 1:
		needs := strings.TrimPrefix(needsText(list[1].Chain), "; ")
		return "forbidden: " + needs + ", which is forbidden " + list[1].Rule.String()
	case !ok:
		return "forbidden " + top.Rule.String()
	case top.InKernel:
		return "allowed: it is built in"
	case top.Rule == nil:
		return "allowed: no line is about it"
	}
	return "allowed " + top.Rule.String()
}

// partText says what was decided on a module that another one needs.
func partText(d modprobe.Decision) string {
	as := "as a dependency"
	if d.Soft {
		as = "as a softdep"
	}
	switch {
	case !d.Allowed:
		return "left out: forbidden " + d.Rule.String() + needsText(d.Chain)
	case d.InKernel:
		return "allowed: it is built in"
	case d.Through != "":
		return "allowed through " + d.Through + ", " + as
	case d.Rule == nil:
		return "allowed: no line is about it"
	}
	return "allowed " + d.Rule.String()
}

// writeAllowlist is --allowlist.
func (r *modprobeRun) writeAllowlist(operands []string) int {
	requests := policy.Names(operands)
	var libraries []policy.Request
	fail := func(err error) int {
		r.Errorf("%v", err)
		return 1
	}
	if r.rules.profile != "" {
		name, ok := r.file(r.rules.profile)
		if !ok {
			return fail(fmt.Errorf("%s: no such file", r.rules.profile))
		}
		data, err := trusted.ReadFile(r.from.FS, name, 16<<20)
		var profile *initramfs.Profile
		if err == nil {
			profile, err = initramfs.ParseProfile(data)
		}
		if err != nil {
			return fail(fmt.Errorf("%s: %w", r.rules.profile, cli.Bare(err)))
		}
		requests = append(requests, policy.Profile(r.rules.profile, profile.Aliases, profile.Modules)...)
	}
	if r.rules.profile == "" || r.rules.host {
		host, loaded, err := policy.Host(r.p)
		if err != nil {
			return fail(err)
		}
		requests, libraries = append(requests, host...), loaded
	}
	if !r.hasTree() {
		return fail(errors.New(cli.NoTree(r.p, r.root)))
	}
	list, err := policy.Build(r.p, requests, libraries)
	var e *modprobe.Error
	if errors.As(err, &e) {
		r.fail(e.Module, err)
		return 1
	}
	if err != nil {
		return fail(err)
	}
	text := list.Text
	if r.rules.kmod {
		text = list.Kmod
	}
	r.out.Write(text())
	return 0
}

// auditJSON is what --audit found: --audit --json.
type auditJSON struct {
	Refused      []cli.Refusal `json:"refused"`
	WouldRefuse  []refuseJSON  `json:"would_refuse"`
	NotForbidden bool          `json:"nothing_forbidden"`
}

// refuseJSON is a loaded module that the lines would have refused.
type refuseJSON struct {
	Module string   `json:"module"`
	Rule   string   `json:"rule"`
	Chain  []string `json:"chain"`
}

// auditPolicy is --audit. What was refused since boot is told unless the lines are those of a file, which is being
// tried out. The status is 1 if something was or would have been refused, 2 if that is not known.
func (r *modprobeRun) auditPolicy(operands []string) int {
	unknown := func(err error) int {
		r.Errorf("%v", err)
		return 2
	}
	if len(operands) > 1 {
		return unknown(fmt.Errorf("--audit takes one file, but there is %q", operands[1]))
	}
	var doc auditJSON
	if len(operands) == 1 {
		name, ok := r.file(operands[0])
		if !ok {
			return unknown(fmt.Errorf("%s: no such file", operands[0]))
		}
		var err error
		r.from.Policy = []string{"/" + name}
		if r.p, err = modprobe.New(&r.from); err != nil {
			return unknown(err)
		}
	} else {
		var err error
		if doc.Refused, err = cli.Refusals(r.Env); err != nil {
			return unknown(err)
		}
	}
	would, err := policy.Audit(r.p)
	if err != nil {
		return unknown(err)
	}
	doc.Refused = cli.OrEmpty(doc.Refused)
	doc.WouldRefuse = cli.Each(would, func(e *modprobe.Error) refuseJSON {
		return refuseJSON{e.Module, e.Reason, e.Chain}
	})
	doc.NotForbidden = len(r.p.Config().Forbid) == 0
	if r.json {
		r.out.JSON(doc)
	} else {
		r.printAudit(&doc)
	}
	if len(doc.Refused)+len(doc.WouldRefuse) > 0 {
		return 1
	}
	return 0
}

// printAudit prints the findings for people.
func (r *modprobeRun) printAudit(doc *auditJSON) {
	for _, x := range doc.Refused {
		times := "once"
		if x.Count > 1 {
			times = fmt.Sprintf("%d times, last", x.Count)
		}
		fmt.Fprintf(r.out, "refused %s at %s for %q: %s is forbidden %s%s\n",
			times, x.Last, x.Name, x.Module, x.Rule, needsText(x.Chain))
	}
	for _, x := range doc.WouldRefuse {
		r.out.Line("loaded, and would be refused: ", x.Chain[0], ": ", x.Module, " is forbidden ", x.Rule,
			needsText(x.Chain))
	}
	if doc.NotForbidden {
		r.Hintf("nothing is forbidden: there is no forbid line")
	}
}
