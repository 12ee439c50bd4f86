package coldplug

import (
	"bytes"
	"encoding/json"
	"time"
)

// Report is what Run did.
type Report struct {
	// Modules are the modules, in the order in which they were asked for.
	Modules []Module
	// Unmatched are modaliases of devices that no module is for, sorted.
	Unmatched []string
	// Waiting lists the elements of Options.Until that did not appear.
	Waiting []string
	// Deferred are devices whose driver waits for another device, as debugfs lists them at the end; often empty
	// because debugfs is not mounted.
	Deferred []string
	// Devices is how many devices with a modalias were seen.
	Devices int
	// Took is the time from the beginning to the end.
	Took time.Duration
	// TimedOut is set if Timeout ended the run.
	TimedOut bool
}

// Module is one module in a Report. Times are since the beginning of Run.
type Module struct {
	// Name is the module's name.
	Name string
	// Path is its file.
	Path string
	// Params are the parameters it was loaded with.
	Params string
	// Device is the device that needs it, a path below the root; empty if another module needs it.
	Device string
	// Alias is the modalias of the device.
	Alias string
	// By is the module that needs it; empty if a device does.
	By string
	// Asked is when it was found to be needed.
	Asked time.Duration
	// Ready is when all that it needs was loaded.
	Ready time.Duration
	// Start and End are when it was handed to the kernel, and when the kernel was done with it.
	Start, End time.Duration
	// Err is why it was not loaded: nil, a *modprobe.Error, that of what it needs, or that Run ended before.
	Err error
}

// reportJSON is a Report as JSON: what modprobe --coldplug --json prints, and in boot.json. Times are in milliseconds.
type reportJSON struct {
	Devices   int      `json:"devices"`
	Took      int64    `json:"took_ms"`
	TimedOut  bool     `json:"timed_out"`
	Waiting   []string `json:"waiting"`
	Unmatched []string `json:"unmatched"`
	Deferred  []string `json:"deferred"`
	Modules   []Module `json:"modules"`
}

// moduleJSON is a Module as JSON.
type moduleJSON struct {
	Name   string `json:"name"`
	Path   string `json:"path,omitempty"`
	Params string `json:"params,omitempty"`
	Device string `json:"device,omitempty"`
	Alias  string `json:"alias,omitempty"`
	By     string `json:"by,omitempty"`
	Asked  int64  `json:"asked_ms"`
	Ready  int64  `json:"ready_ms"`
	Start  int64  `json:"start_ms"`
	End    int64  `json:"end_ms"`
	Error  string `json:"error,omitempty"`
}

// MarshalJSON writes the report as modprobe --coldplug --json prints it; docs/json.md has a sample.
func (r Report) MarshalJSON() ([]byte, error) {
	return marshal(reportJSON{
		Devices: r.Devices, Took: r.Took.Milliseconds(), TimedOut: r.TimedOut, Waiting: orEmpty(r.Waiting),
		Unmatched: orEmpty(r.Unmatched), Deferred: orEmpty(r.Deferred), Modules: orEmpty(r.Modules),
	})
}

// MarshalJSON writes the module as it is in the report.
func (m Module) MarshalJSON() ([]byte, error) {
	doc := moduleJSON{
		Name: m.Name, Path: m.Path, Params: m.Params, Device: m.Device, Alias: m.Alias, By: m.By,
		Asked: m.Asked.Milliseconds(), Ready: m.Ready.Milliseconds(), Start: m.Start.Milliseconds(),
		End: m.End.Milliseconds(),
	}
	if m.Err != nil {
		doc.Error = m.Err.Error()
	}
	return marshal(doc)
}

// marshal does not escape <, > and &: the caller's encoder decides about that.
func marshal(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	err := e.Encode(v)
	return b.Bytes(), err
}

// orEmpty returns a list that is [] in JSON even if it is nil.
func orEmpty[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}
