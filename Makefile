# make            what there is
# make demo       boot a real kernel from an image and a disk, and load modules in it (KERNEL=5.10|6.1|6.12|7.2)
# make test       all tests
# make install    gomodprobe, godepmod, ..., man pages and completions: PREFIX=/usr/local DESTDIR=;
#                 LINKS=1 adds the names modprobe, depmod, ...; make uninstall removes all of it
# make release    archives for ten architectures, checksums, bills of materials and a container image in dist/
# make deb        a Debian package in dist/
# make test-field in Debian, containers and u-root, with the programs that call the tools there (root rights)

GO       ?= go
PREFIX   ?= /usr/local
# By count: fuzzing by time (5s) now and then fails as the time is over, "context deadline exceeded" (go.dev/issue/75804).
# Not in CI: there each fuzz test tries the fixed sample of internal/test/fuzzseed.
FUZZTIME ?= 20000x
BENCH    ?= .
BIN      ?= bin
TOOLS    := modprobe depmod modinfo insmod rmmod lsmod kmod goinitramfs
# A guard against accidents, far above what the binaries have: all tools, and those that a boot image needs.
MAXSIZE  := 8500000
MAXBOOT  := 4800000
LDFLAGS  := -s -w
STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.7.0

.PHONY: help build demo test test-long test-field need fetch lint fuzz bench install uninstall release deb pictures clean

help:
	@sed -n 's/^# \(make.*\)/\1/p; s/^#  \( .*\)/  \1/p' Makefile
	@echo "more: build test-long lint fuzz bench pictures clean"

build:
	@echo "building $(BIN)/gomodprobe and, for boot images, $(BIN)/gomodprobe-boot (static, stripped)"
	@mkdir -p '$(BIN)'
	@CGO_ENABLED=0 $(GO) build -trimpath -ldflags='$(LDFLAGS)' -o '$(BIN)/gomodprobe' ./cmd/gomodprobe
	@CGO_ENABLED=0 $(GO) build -trimpath -ldflags='$(LDFLAGS)' -tags kmod_boot -o '$(BIN)/gomodprobe-boot' ./cmd/gomodprobe
	@for t in $(TOOLS); do ln -sfn gomodprobe '$(BIN)'/$$t; done
	@for b in gomodprobe:$(MAXSIZE) gomodprobe-boot:$(MAXBOOT); do \
		f='$(BIN)'/$${b%:*}; max=$${b#*:}; size=$$(wc -c <"$$f"); \
		if ldd "$$f" >/dev/null 2>&1; then echo "$$f is not static"; exit 1; fi; \
		echo "$$f has $$size bytes (at most $$max)"; \
		[ "$$size" -le "$$max" ] || exit 1; \
	done
	@echo "beside $(BIN)/gomodprobe: $(TOOLS)"

need:
	@sh internal/test/kmodtest/need.sh qemu-system-x86_64=qemu-system-x86 xz=xz-utils zstd=zstd lz4=lz4 bzip2=bzip2 cpio=cpio \
		bsdtar=libarchive-tools dpkg-deb=dpkg flock=util-linux mandoc=mandoc zsh=zsh fish=fish \
		shellcheck=shellcheck mke2fs=e2fsprogs mkfs.xfs=xfsprogs mkfs.btrfs=btrfs-progs mkfs.f2fs=f2fs-tools \
		mkfs.vfat=dosfstools mkfs.erofs=erofs-utils mksquashfs=squashfs-tools sfdisk=fdisk blkid=util-linux

fetch: need
	@echo "fetching Go modules"
	@$(GO) list -deps -test ./... >/dev/null
	@$(GO) mod tidy -diff >/dev/null
	@$(GO) run $(STATICCHECK) -version

demo:
	@sh internal/test/kmodtest/need.sh qemu-system-x86_64=qemu-system-x86 mke2fs=e2fsprogs || echo "going on without"
	@$(GO) run ./initramfs/demo

# -count=1, because go test would take a test that skipped without network from its cache when the network is back.
test: need
	@echo "running all tests (kernels and kmod are fetched into the cache folder once)"
	@$(GO) run ./internal/test/runtests -count=1 -timeout 40m ./...

test-long: need
	@echo "running all tests, the long ones as well"
	@GOMODPROBE_LONG=1 $(GO) run ./internal/test/runtests -count=1 -timeout 6h ./...

lint:
	@echo "gofmt"
	@bad=$$(gofmt -l $$(git ls-files '*.go')); [ -z "$$bad" ] || { echo "not formatted: $$bad"; exit 1; }
	@echo "go.mod is tidy"
	@$(GO) mod tidy -diff
	@echo "go vet"
	@$(GO) vet ./... ./testdata/examples/...
	@echo "staticcheck"
	@$(GO) run $(STATICCHECK) ./... ./testdata/examples/...
	@if command -v shellcheck >/dev/null; then echo "shellcheck"; \
		shellcheck $$(git ls-files '*.sh' .ci/run); else echo "shellcheck is not here: not run"; fi

fuzz:
	@for p in $$($(GO) list ./...); do \
		for f in $$($(GO) test -list '^Fuzz' $$p | grep '^Fuzz'); do \
			echo "fuzzing $$p $$f $(FUZZTIME)"; \
			$(GO) test -run '^$$' -fuzz "^$$f$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 20x $$p || exit 1; \
		done; \
	done

bench: need
	@echo "running the benchmarks (BENCH=$(BENCH))"
	$(GO) test -run '^$$' -bench '$(BENCH)' -benchmem $(BENCHFLAGS) ./...

install: build
	@sh internal/release/install.sh install '$(BIN)' '$(PREFIX)' '$(DESTDIR)' '$(LINKS)'

uninstall:
	@sh internal/release/install.sh uninstall '$(BIN)' '$(PREFIX)' '$(DESTDIR)' '$(LINKS)'

release:
	$(GO) run ./internal/release -o dist archives oci

deb:
	$(GO) run ./internal/release -o dist -arch host deb

test-field: need
	@sh internal/test/kmodtest/need.sh debootstrap=debootstrap chroot=coreutils unshare=util-linux setpriv=util-linux mke2fs=e2fsprogs \
		qemu-system-aarch64=qemu-system-arm qemu-system-arm=qemu-system-arm qemu-system-s390x=qemu-system-misc qemu-system-ppc64=qemu-system-ppc \
		make=make gcc-12=gcc-12
	@echo "proving things with the programs that people use (kept in the cache folder: a Debian 12 root)"
	GOMODPROBE_FIELD=1 $(GO) test -count=1 -timeout 3h -v ./internal/test/field
	GOMODPROBE_FIELD=1 $(GO) test -count=1 -v ./modprobe/check -run 'TestKbuild|TestDKMS'

# The picture of README.md, from docs/tour.md; that page's output is written anew by
# GOMODPROBE_FIELD=1 go test ./internal/test/field -run TestDebianGuest -update
pictures:
	$(GO) test -count=1 ./internal/test/repotest -run TestPictures -update

clean:
	@echo "removing bin and dist (the cache folder with kernels stays: see README.md)"
	@rm -rf bin dist
