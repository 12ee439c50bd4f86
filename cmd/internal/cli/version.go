package cli

import (
	"runtime/debug"
	"strings"
)

// Version is the version of gomodprobe, by the rules of semver.org, without the v that Go puts in front.
const Version = "0.2.0"

// VersionText is what -V prints: kmod's two lines as they are, because scripts read them, then our version and the
// commit that the program was built from, as far as the build knows it.
func VersionText() string {
	return "kmod version 34.2\n+ZSTD +XZ +ZLIB -OPENSSL\ngomodprobe " + Version + commit() + "\n"
}

// commit is ", commit REVISION", with "modified" if files had changed; "" if the build does not know.
func commit() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return ""
	}
	revision, changed := "", ""
	for _, s := range info.Settings {
		switch {
		case s.Key == "vcs.revision":
			revision = s.Value[:min(12, len(s.Value))]
		case s.Key == "vcs.modified" && s.Value == "true":
			changed = ", modified"
		}
	}
	if revision == "" {
		// go install MODULE@COMMIT: no repository, but a version that ends with the commit.
		if parts := strings.Split(info.Main.Version, "-"); len(parts) >= 3 {
			revision = parts[len(parts)-1]
		}
	}
	if revision == "" {
		return ""
	}
	return ", commit " + revision + changed
}
