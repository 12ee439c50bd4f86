package modprobe

import (
	"cmp"
	"fmt"
	"io/fs"
	"iter"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gomodprobe/gomodprobe/internal/format/index"
	"github.com/gomodprobe/gomodprobe/internal/moduledir"
	"github.com/gomodprobe/gomodprobe/internal/trusted"
)

// Facts keeps what modules say of themselves.
type Facts interface {
	// Get returns what was put under a key; nil if there is nothing.
	Get(key string) []byte
	// Put keeps something under a key. That it cannot be kept is no error.
	Put(key string, data []byte)
}

// factsAge is how long kept facts are used before all files are looked at again. Until then a Prober looks at the
// folders, whose times tell of files that came, went or were replaced, and at the files that its answer is from. What
// it misses is a file that was written over in place and has an alias or a symbol that it did not have.
const factsAge = time.Minute

// watched is a folder, or a link that leads nowhere, and what it was when it was looked at.
type watched struct {
	name  string // in the file system
	stamp trusted.Stamp
	gone  bool
}

// recall takes the kept facts of the tree, if all folders are as they were.
func (t *tree) recall(config *moduledir.Config) {
	p := t.p
	t.key = fmt.Sprintf("%s %+v", p.dir, *config)
	if t.old = decodeFacts(t.key, p.opts.Facts.Get(t.key)); t.old == nil {
		return
	}
	t.sameFolders = !slices.ContainsFunc(t.old.seen, func(w watched) bool { return p.watch(w.name) != w })
	if t.sameFolders {
		t.kept.Store(t.old)
	}
}

// load finds the files of the tree and, of those that are the same as when facts were kept, takes these. From then on
// kept facts are not asked.
func (t *tree) load() {
	t.loaded.Do(func() {
		p := t.p
		if t.sameFolders {
			t.seen, t.files = t.old.seen, make(map[string]string, t.old.len())
			for i := range t.old.len() {
				r, _ := t.old.at(i)
				t.files[r.name] = r.path
			}
		} else {
			dir := moduledir.Dir{Path: p.dir, Name: p.dirName, Exists: true}
			t.files = moduledir.Files(p.fsys, dir, t.config, func(name string) {
				if p.opts.Facts != nil {
					t.seen = append(t.seen, p.watch(name))
				}
			})
		}
		if t.old != nil {
			t.takeOld()
		}
		t.kept.Store(nil)
	})
}

// takeOld takes the facts of the files that are the same.
func (t *tree) takeOld() {
	same := make([]*treeFacts, t.old.len())
	parallel(len(same), func(i int) {
		r, ok := t.old.at(i)
		if path, there := t.files[r.name]; ok && there && path == r.path && t.p.same(r) {
			same[i] = &treeFacts{info: r.info, stamp: r.stamp}
		}
	})
	byName := make(map[string]*treeFacts, len(same))
	for i, f := range same {
		if r, _ := t.old.at(i); f != nil {
			byName[r.name] = f
		}
	}
	for _, e := range entries(t.old.aliases) {
		if f := byName[e.value]; f != nil {
			f.info = append(f.info, "alias="+e.key)
		}
	}
	for _, e := range entries(t.old.symbols) {
		if f := byName[e.value]; f != nil {
			f.exports = append(f.exports, strings.TrimPrefix(e.key, "symbol:"))
		}
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	for name, f := range byName {
		f.once.Do(func() {})
		if t.known[name] == nil {
			t.known[name] = f
		}
	}
}

// entries returns the entries of a table in the order of their priority.
func entries(x *index.Index) (l list) {
	type ranked struct {
		entry
		priority uint32
	}
	var all []ranked
	for key, v := range x.All() {
		all = append(all, ranked{entry{key, v.Value}, v.Priority})
	}
	slices.SortStableFunc(all, func(a, b ranked) int { return cmp.Compare(a.priority, b.priority) })
	for _, e := range all {
		l = append(l, e.entry)
	}
	return l
}

// keep keeps the facts of all modules for the next Prober. Nothing is kept if a folder may change yet without its times
// showing it.
func (t *tree) keep() {
	if t.key == "" {
		return
	}
	for _, w := range t.seen {
		if !w.gone && !(w.stamp.Whole() && w.stamp.Settled(t.begun)) {
			return
		}
	}
	t.p.opts.Facts.Put(t.key, t.keptFacts().encode(t.key))
}

// keeps reports whether the facts of a file can be kept: not if it may change yet without its times showing it, nor if
// it could not be read.
func (t *tree) keeps(f *treeFacts) bool {
	return !f.failed && f.stamp.Whole() && f.stamp.Settled(t.begun)
}

// complete returns the kept facts if they can tell what all modules have; else nil, and the tree is loaded.
func (t *tree) complete() *keptFacts {
	k := t.kept.Load()
	if k == nil {
		return nil
	}
	t.others.Do(func() {
		if age := t.begun.Sub(k.checked); (age < 0 || age >= factsAge) && !t.renew(k) {
			t.load()
			return
		}
		for _, name := range k.unread {
			if !t.facts(name).failed {
				t.load()
			}
		}
	})
	return t.kept.Load()
}

// renew looks at all files. If they are as they were, the facts are kept for some time more.
func (t *tree) renew(k *keptFacts) bool {
	var changed atomic.Bool
	parallel(k.len(), func(i int) {
		if r, ok := k.at(i); !ok || r.stamp.Whole() && !t.p.same(r) {
			changed.Store(true)
		}
	})
	if changed.Load() {
		return false
	}
	now := *k
	now.checked = t.begun
	t.p.opts.Facts.Put(t.key, now.encode(t.key))
	return true
}

// treeTable is the table of the aliases, or the symbols, of the modules of a tree.
type treeTable struct {
	t       *tree
	symbols bool
}

// kept returns the table that was kept; nil if the modules must be asked.
func (x treeTable) kept() (*keptFacts, *index.Index) {
	k := x.t.complete()
	switch {
	case k == nil:
		return nil, nil
	case x.symbols:
		return k, k.symbols
	}
	return k, k.aliases
}

// fresh returns the table of what the modules say now.
func (x treeTable) fresh() *index.Index {
	x.t.load()
	x.t.readAll()
	if x.symbols {
		return x.t.symbols
	}
	return x.t.aliases
}

// Lookup returns the first value of a key.
func (x treeTable) Lookup(key string) (string, bool) {
	if k, table := x.kept(); k != nil {
		if value, ok := table.Lookup(key); !ok || x.t.p.sameModule(k, value) {
			return value, ok
		}
	}
	return x.fresh().Lookup(key)
}

// Search appends the values of all keys that match a name.
func (x treeTable) Search(dst []index.Value, name string) []index.Value {
	if k, table := x.kept(); k != nil {
		found := table.Search(dst, name)
		changed := slices.ContainsFunc(found[len(dst):],
			func(v index.Value) bool { return !x.t.p.sameModule(k, v.Value) })
		if !changed {
			return found
		}
		dst = found[:len(dst)]
	}
	return x.fresh().Search(dst, name)
}

// All returns every entry.
func (x treeTable) All() iter.Seq2[string, index.Value] { return x.fresh().All() }

// empty reports whether there are no entries.
func (x treeTable) empty() bool {
	_, table := x.kept()
	if table == nil {
		table = x.fresh()
	}
	for range table.All() {
		return false
	}
	return true
}

// watch says what a name is.
func (p *Prober) watch(name string) watched {
	info, err := fs.Stat(p.fsys, name)
	if err != nil {
		return watched{name: name, gone: true}
	}
	return watched{name: name, stamp: trusted.StampOf(info)}
}

// same reports whether a file is what it was when its facts were kept.
func (p *Prober) same(r record) bool {
	file, err := p.fileName(r.path)
	return err == nil && r.stamp.Whole() && p.watch(file).stamp == r.stamp
}

// sameModule is same for the file of a module.
func (p *Prober) sameModule(k *keptFacts, module string) bool {
	r, ok := k.find(module)
	return ok && p.same(r)
}

// parallel calls do for 0 to n-1, several at a time.
func parallel(n int, do func(i int)) {
	var wg sync.WaitGroup
	var next atomic.Int64
	for range min(runtime.GOMAXPROCS(0), n) {
		wg.Go(func() {
			for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
				do(i)
			}
		})
	}
	wg.Wait()
}
