# build/pci.names of pci.ids: vendors of which devices are known, and those devices, without the subsystems and without
# bridges, which no guest can be given.
#
# Numbers beside names are what xz packs worst: a device's is what is to be added to the one before it in its list,
# where that has less than the four digits of a whole number. daemon/pci_names.c reads both.
function hex(digits,    value, i) {
	for (i = 1; i <= length(digits); i++)
		value = value * 16 + index("0123456789abcdef", substr(digits, i, 1)) - 1
	return value
}

/^C / { exit }
/^[0-9a-f]/ { vendor = substr($0, 1, 4) " " substr($0, 7); last = -65536 }
/[Bb]ridge|Root Port|PCIe Port|PCI Express Port|LPC Controller|DRAM Controller|DRAM Registers/ { next }
/^\t[0-9a-f]/ {
	if (vendor != "")
		print vendor
	vendor = ""
	number = hex(substr($0, 2, 4))
	further = number - last
	printf "\t%s %s\n", (further > 0 && further < 4096) ? sprintf("%x", further) : substr($0, 2, 4), substr($0, 8)
	last = number
}
