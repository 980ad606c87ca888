"""The small devices with Linux's own drivers: watchdog, panic port, console, balloon."""

import re

from guest import boot_command, run_linux
from harness import expect, expect_text, plain

# First boot: lets the watchdog run out. Second boot: panics.
WATCHDOG = r"""
status=$(cat /sys/class/watchdog/watchdog0/bootstatus)
echo "watchdog: $(cat /sys/class/watchdog/watchdog0/identity), boot status $status"
if [ "$status" = 0 ]; then
	watchdog -F -T 3 -t 60 /dev/watchdog
fi
echo c >/proc/sysrq-trigger
sleep 60
"""


def test_watchdog_resets_and_panic_is_told():
    """wdat_wdt and pvpanic-mmio: one boot after the other."""
    got = run_linux(WATCHDOG, ("wdat_wdt", "pvpanic-mmio"), "--panic stop")
    out = plain(got.output)
    expect_text(out, "watchdog: wdat_wdt, boot status 0", "The guest did not serve its watchdog in time and is reset.",
                "The guest was reset.", "watchdog: wdat_wdt, boot status 32", "sysrq triggered crash",
                "The guest's kernel panicked")
    expect(got.status == 1, "a panic with --panic stop is exit status 1")


CONSOLE = r"""
echo "this is the serial port"
cat /dev/ttyS0 >/serial & # whatever is typed into the serial port
exec </dev/hvc0 >/dev/hvc0 2>&1
stty -echo
echo "this is hvc0"
echo "never to be seen" >/dev/ttyS0
echo "what now?"
read -r what
echo "serial port heard $(wc -c </serial) bytes"
seq 1 600
echo "end of numbers"
$what -f
sleep 60
"""


def test_hvc0_takes_the_console_over():
    """`--console virtio`: one keyboard, one picture, until the reset, and again after it."""
    got = run_linux(CONSOLE, ("virtio_pci", "virtio_console"), "--console virtio",
                    answers=[(rb"guest was reset[\s\S]*what now\?", b"poweroff\n"), (rb"what now\?", b"reboot\n")])
    out = plain(got.output)
    expect(got.status == 0, "the guest powers off in the end")
    expect(out.count("this is the serial port") == 2, "the serial port is the console at each power-on")
    expect(out.count("this is hvc0") == 2, "hvc0 is when it speaks")
    expect("never to be seen" not in out, "the serial port is heard no more then")
    expect(out.count("serial port heard 0 bytes") == 2, "keys reach hvc0 alone")
    # Linux spins for every 16 bytes until they are taken, which the emulator is slow at: no more than that.
    numbers = "".join("%d\n" % n for n in range(1, 601))
    expect(out.count(numbers) == 2, "2 KiB on hvc0 lose nothing")


REPORTING = r"""
mount -t tmpfs -o size=90% tmpfs /mnt
echo "guest: begins"
read -r go
dd if=/dev/zero of=/mnt/file bs=1M count=128 2>/dev/null
echo "guest: has filled"
read -r go
rm /mnt/file
sleep 20
echo "guest: has freed"
read -r go
poweroff -f
sleep 60
"""

# In the test machine: what the vmm's process holds, at three moments.
MEASURE = r"""
mkfifo /in
%s </in >/out 2>&1 &
exec 3>/in
for moment in begins filled freed; do
	while ! grep -q "guest: .*$moment" /out; do sleep 1; done
	for p in /proc/[0-9]*; do
		[ "$(tr '\0' ' ' <$p/cmdline)" != "vmboot vmm " ] || echo "$moment: $(awk '/VmRSS/ { print $2 }' $p/status) kB"
	done
	echo go >&3
done
wait $!
status=$?
cat /out
exit $status
"""


def test_free_pages_go_back_to_the_host():
    """virtio_balloon with free page reporting: what the guest freed, the vmm's process has no more."""
    got = run_linux(REPORTING, ("virtio_pci", "virtio_balloon"), command=MEASURE % boot_command())
    out = plain(got.output)
    expect(got.status == 0, "the guest powers off in the end")
    size = {moment: int(re.search(r"^%s: (\d+) kB" % moment, out, re.M).group(1)) for moment in ("begins", "filled", "freed")}
    print(size)
    expect(size["filled"] > 128 * 1024, "128 MiB in the guest cost the host as much")
    expect(size["filled"] - size["freed"] > 100 * 1024, "when they are free the host has them back")


CONTROLLED = r"""
echo "guest: begins with $(cat /sys/block/vda/size) sectors"
free=$(grep MemFree /proc/meminfo | tr -dc 0-9)
while [ "$(cat /sys/block/vda/size)" = 65536 ]; do sleep 1; done
echo "guest: has $(cat /sys/block/vda/size) sectors"
dd if=/dev/zero of=/dev/vda bs=1M seek=47 count=1 conv=fsync 2>/dev/null && echo "guest: wrote the last of them"
while [ $((free - $(grep MemFree /proc/meminfo | tr -dc 0-9))) -lt 50000 ]; do sleep 1; done
echo "guest: gave memory"
(dd if=/dev/input/event0 bs=24 count=1 2>/dev/null | od -An -j16 -tx2 | sed 's/^/guest: button/') &
sleep 1
echo "guest: waits for the button"
wait
poweroff -f
sleep 60
"""

ENTRY = r"""title = Linux
kernel = /k/vmlinuz
initrd = /k/initrd
options = console=ttyS0 quiet panic=0
memory = 256M
disk = /disk.img
"""

CONTROL = r"""
truncate -s 32M /disk.img
mkdir -p /config/entries
cp /k/entry /config/entries/linux.conf
vmboot daemon --config /config --log /daemon.log &
until vmboot ctl list; do sleep 1; done
vmboot ctl start linux || exit 1
seen() { until vmboot ctl console | grep "$1"; do sleep 1; done; }
seen "guest: begins"
vmboot ctl resize 0
truncate -s 48M /disk.img
vmboot ctl resize 0
seen "guest: wrote the last"
vmboot ctl balloon 64M
until vmboot ctl status | grep "balloon: 64M of 64M"; do sleep 1; done
seen "guest: gave memory"
seen "guest: waits"
vmboot ctl pause && vmboot ctl list
vmboot ctl resume && vmboot ctl list
vmboot ctl power
seen "guest: button"
until vmboot ctl list | grep "switched itself off"; do sleep 1; done
vmboot ctl console
"""


def test_control_from_outside():
    """vmboot ctl: a disk that grew, memory asked back, pause and resume, the power button; each seen by Linux."""
    got = run_linux(CONTROLLED, ("virtio_pci", "virtio_blk", "virtio_balloon", "button", "evdev"), command=CONTROL,
                    files={"k/entry": ENTRY.encode()})
    out = plain(got.output)
    expect_text(out, "guest: begins with 65536 sectors", "disk 0: 32M", "disk 0: 48M", "guest: has 98304 sectors",
                "guest: wrote the last of them", "guest: gave memory", "  paused  ", "guest: button 0001 0074 0001 0000",
                "The guest switched itself off.")
    expect(got.status == 0, "every command of vmboot ctl succeeds")
