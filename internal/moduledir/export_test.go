package moduledir

// Matches reports whether an expression of depmod.d names a release.
var Matches = matches
