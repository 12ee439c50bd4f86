package pkcs7

// Object identifiers, as they are written.
const (
	oidNIST  = "\x60\x86\x48\x01\x65\x03\x04\x02" // 2.16.840.1.101.3.4.2: digests
	oidNIST3 = "\x60\x86\x48\x01\x65\x03\x04\x03" // 2.16.840.1.101.3.4.3: signatures
	oidGOST  = "\x2a\x85\x03\x07\x01\x01"         // 1.2.643.7.1.1
	oidECDSA = "\x2a\x86\x48\xce\x3d\x04"         // 1.2.840.10045.4: with the digests
	oidRSA   = "\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01"

	oidMD4  = "\x2a\x86\x48\x86\xf7\x0d\x02\x04"
	oidMD5  = "\x2a\x86\x48\x86\xf7\x0d\x02\x05"
	oidSHA1 = "\x2b\x0e\x03\x02\x1a"
	oidSM3  = "\x2a\x81\x1c\xcf\x55\x01\x83\x11"
)

// An algorithm is what kernels make of an identifier in the place of an algorithm.
type algorithm struct {
	identifier string
	which      standing
	key        Algorithm // that a signature is made with
}

// A standing says which kernels know an algorithm.
type standing int

const (
	always  standing = iota // all
	listed                  // those that have its identifier in their list
	unclear                 // of those that have it in their list, some
)

// digests are those that some kernel knows; it does not know others.
func digests() []algorithm {
	return []algorithm{
		{identifier: oidNIST + "\x01", which: always},
		{identifier: oidNIST + "\x02", which: always},
		{identifier: oidNIST + "\x03", which: always},
		{identifier: oidNIST + "\x04", which: always},
		{identifier: oidSHA1, which: listed},
		{identifier: oidNIST + "\x08", which: listed},
		{identifier: oidNIST + "\x09", which: listed},
		{identifier: oidNIST + "\x0a", which: listed},
		{identifier: oidMD4, which: listed},
		{identifier: oidMD5, which: listed},
		{identifier: oidSM3, which: unclear},
		{identifier: oidGOST + "\x02\x02", which: unclear}, // Streebog
		{identifier: oidGOST + "\x02\x03", which: unclear},
	}
}

// signatures are the algorithms of signatures that some kernel knows; it does not know others.
func signatures() []algorithm {
	list := []algorithm{
		{oidRSA, always, RSA}, {oidECDSA + "\x01", unclear, ECDSA},
		{oidGOST + "\x01\x01", unclear, ECRDSA}, {oidGOST + "\x01\x02", unclear, ECRDSA},
		{"\x2a\x81\x1c\xcf\x55\x01\x83\x75", unclear, SM2},
	}
	for last := byte(1); last <= 4; last++ {
		list = append(list, algorithm{oidECDSA + "\x03" + string(rune(last)), listed, ECDSA})
	}
	for last := byte(10); last <= 12; last++ {
		list = append(list, algorithm{oidNIST3 + string(rune(last)), listed, ECDSA})
	}
	for last := byte(17); last <= 19; last++ {
		list = append(list, algorithm{oidNIST3 + string(rune(last)), unclear, MLDSA})
	}
	return list
}

// Identifiers returns those that not all kernels know, for [Dialect.Knows].
func Identifiers() (all []string) {
	for _, list := range [][]algorithm{digests(), signatures()} {
		for _, a := range list {
			if a.which != always {
				all = append(all, a.identifier)
			}
		}
	}
	return all
}

// find finds an algorithm in a list. known is false if it is not clear whether the kernel knows it.
func (d Dialect) find(list []algorithm, identifier string) (a algorithm, ok, known bool) {
	for _, a := range list {
		switch {
		case a.identifier != identifier:
		case a.which == always:
			return a, true, true
		case d.Knows == nil:
			return a, false, false
		case !d.Knows(identifier):
			return a, false, true
		default:
			return a, a.which == listed, a.which == listed
		}
	}
	return algorithm{}, false, true
}

// algorithm takes the identifier of an algorithm, which has to be one of the list.
func (d Dialect) algorithm(r *reader, list []algorithm, what string) algorithm {
	a, ok, known := d.find(list, string(r.kernelAlgorithm(what)))
	switch {
	case !known:
		r.refuse(Unclear, "a "+what+" that only some kernels know,")
	case !ok:
		r.refuse(Unsupported, what+" that the kernel does not know")
	}
	return a
}
