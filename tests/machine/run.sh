#!/bin/bash
# What `make run` ends with: opens the menu, on this host when its KVM can run firmware, else in the emulated machine
# with this terminal attached. Everything it needs has been built and fetched by then.
set -u
cd "$(dirname "$0")/../.." || exit 1

if [ ! -t 0 ] || [ ! -t 1 ]; then
	echo "run: the menu needs a terminal, and standard input or output is none. Run it from a terminal." >&2
	exit 1
fi

as_root=()
if [ "$(id -u)" != 0 ] && command -v sudo >/dev/null; then
	as_root=(sudo)
fi

if why=$("${as_root[@]}" ./vmboot doctor --can-run-firmware 2>&1); then
	# The sample disk as a block device, so that the menu finds it as it finds any other.
	loop=
	if loop=$("${as_root[@]}" losetup --find --show --partscan build/disks/sample.img 2>/dev/null); then
		trap '"${as_root[@]}" losetup --detach "$loop"' EXIT
		echo "run: the sample disk build/disks/sample.img is $loop"
	else
		echo "run: no loop device could be had, so the sample disk will not be in the list"
	fi
	"${as_root[@]}" ./vmboot
	exit
fi
why=$(tail -n 1 <<<"$why")
why=${why%%[:.]*}	# what is wrong; `vmboot doctor` tells the rest
echo "run: ${why:-This host cannot run firmware}, so the menu opens in an emulated machine (allow 20 s)."
exec tests/machine/run-in-machine -i --menu vmboot --disk build/disks/sample.img --disk build/disks/guest.img
