package modprobe

import (
	"errors"

	"github.com/gomodprobe/gomodprobe/cmd/internal/cli"
	"github.com/gomodprobe/gomodprobe/modprobe"
	"github.com/gomodprobe/gomodprobe/modprobe/coldplug"
)

// policyArgs are the options of modprobe --policy, --allowlist and --audit.
type policyArgs struct {
	explain, allowlist, audit bool
	host, kmod                bool
	profile                   string
}

// policyOption applies one of these options; it reports false after an error message.
func (r *modprobeRun) policyOption(id int, value string) bool {
	switch a := &r.rules; id {
	case optPolicy:
		a.explain = true
	case optAllowlist:
		a.allowlist = true
	case optAudit:
		a.audit = true
	case optHost:
		a.host = true
	case optKmod:
		a.kmod = true
	case optProfile:
		return r.once(&a.profile, "--profile", value)
	}
	return true
}

// conflict says which options do not go together; "" for nothing. other is that something else was asked for.
func (a *policyArgs) conflict(other, json bool) string {
	n := 0
	for _, on := range []bool{a.explain, a.allowlist, a.audit, other} {
		if on {
			n++
		}
	}
	switch {
	case n > 1 && (a.explain || a.allowlist || a.audit):
		return "--policy, --allowlist, --audit, --check, --coldplug, -r, -R, -c, --show-modversions and --show-exports " +
			"are different things to do: only one can be asked for"
	case !a.allowlist && (a.host || a.kmod || a.profile != ""):
		return "--host, --profile and --kmod go with --allowlist"
	case a.allowlist && json:
		return "--json does not go with --allowlist, which writes lines for modprobe.d"
	}
	return ""
}

// refused keeps the fact that a load was refused, if this is about a load. name is what was asked for.
func (r *modprobeRun) refused(name string, err error) {
	var e *modprobe.Error
	if r.dryRun || r.rules != (policyArgs{}) || !errors.As(err, &e) || !errors.Is(e.Err, modprobe.ErrForbidden) {
		return
	}
	if name == "" {
		name = e.Requested
	}
	cli.Refused(r.Env, name, e)
}

// refusedCold keeps what cold-plug was refused.
func (r *modprobeRun) refusedCold(report *coldplug.Report) {
	for _, m := range report.Modules {
		r.refused(m.Alias, m.Err)
	}
}
