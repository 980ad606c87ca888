#!/bin/bash
# again.sh: builds the appliance once more, from a copy of the project in another folder, and compares byte by byte.
set -euo pipefail
cd "$(dirname "$0")/.."

copy=build/appliance/again
rm -rf $copy
mkdir -p $copy/build/appliance
trap 'rm -rf $copy' EXIT
git ls-files -z | xargs -0 cp --parents -t $copy
cp -a build/firmware $copy/build/
cp -a build/appliance/linux build/appliance/busybox-source build/appliance/dosfstools-source $copy/build/appliance/
make -C $copy/build/appliance/linux mrproper >/dev/null
make -C $copy/build/appliance/busybox-source mrproper >/dev/null
echo "again: building in $copy"
make -C $copy --no-print-directory vmboot build/appliance/vmboot-linux build/appliance/vmboot.efi \
	build/appliance/vmboot.iso >build/appliance/again.log || { tail build/appliance/again.log >&2; exit 1; }
status=0
for name in vmboot-linux vmboot.efi vmboot.iso; do
	if cmp build/appliance/$name $copy/build/appliance/$name; then
		echo "again: $name is the same, $(sha256sum <build/appliance/$name | cut -d' ' -f1)"
	else
		status=1
	fi
done
exit $status
