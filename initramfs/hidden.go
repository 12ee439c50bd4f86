package initramfs

// Need is a need that no module declares: modules that are asked for by name, or by a device that appears only later,
// once another one runs.
type Need struct {
	// Module that has the need when it is selected, for whatever reason.
	Module string
	// Needs are names or aliases. Those that do not exist are passed over.
	Needs []string
}

// Hidden returns the needs that are added unless Options.NoHidden is set. The list is short on purpose: only what
// keeps a machine from booting when it is missing.
func Hidden() []Need {
	return []Need{
		// Devices that exist once the host driver runs.
		{"scsi_mod", []string{"sd_mod"}},
		{"libata", []string{"sd_mod"}},
		{"mmc_core", []string{"mmc_block"}},
		{"hid", []string{"hid_generic"}},
		{"virtio", []string{"virtio_pci", "virtio_mmio"}},
		// Controllers in front of, or split off from, others.
		{"nvme", []string{"vmd"}},
		{"xhci_pci", []string{"xhci_pci_renesas"}},
		{"xhci_hcd", []string{"xhci_pci", "xhci_plat_hcd"}},
		{"usb_storage", []string{"uas"}},
		// Requested by name while running.
		{"dm_crypt", []string{"crypto-aes", "crypto-xts", "crypto-cbc", "crypto-essiv", "crypto-sha256",
			"crypto-ecb"}},
		{"fat", []string{"nls_cp437", "nls_ascii", "nls_iso8859_1", "nls_utf8"}},
		{"isofs", []string{"nls_utf8", "nls_iso8859_1"}},
		{"ntfs3", []string{"nls_utf8"}},
		{"f2fs", []string{"crypto-crc32"}},
		{"btrfs", []string{"crypto-crc32c", "crypto-xxhash64", "crypto-sha256", "crypto-blake2b_256"}},
		{"ext4", []string{"crypto-crc32c"}},
		{"jbd2", []string{"crypto-crc32c"}},
		{"xfs", []string{"crypto-crc32c"}},
	}
}

// hidden selects what a module needs without saying so.
func (s *selector) hidden(name string) {
	if s.needs == nil {
		s.needs = make(map[string][]string)
		for _, n := range Hidden() {
			s.needs[n.Module] = append(s.needs[n.Module], n.Needs...)
		}
	}
	for _, need := range s.needs[name] {
		s.optional(need, Reason{Kind: HiddenNeed, By: name, As: need})
	}
}
