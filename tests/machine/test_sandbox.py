"""The sandbox around a vmm whose guest is Linux: seen from outside, on an initramfs, for root and for a user of group kvm."""

import re

from guest import VMLINUZ, initramfs
from harness import expect, expect_text, plain, run
from test_direct import INIT

# Runs a VM with a disk through a reset; while it waits at "what now?" looks at its process. START is how.
WATCH = r"""
echo == NAME
rm -f /tmp/keys /tmp/output /tmp/ended
mkfifo /tmp/keys; chmod 666 /tmp/keys
truncate -s 8M /tmp/disk; chmod 666 /tmp/disk
cat >/tmp/start <<'END'
#!/bin/sh
exec vmboot run --kernel /k/vmlinuz --initrd /k/initrd --cmdline "console=ttyS0 quiet" --memory 256M \
	--disk /tmp/disk </tmp/keys >/tmp/output 2>&1
END
chmod 755 /tmp/start
(START; echo "ended: $?" >/tmp/ended) &
exec 9>/tmp/keys
asked()	# N: wait until the guest has asked N times
{
	n=0
	while count=$(grep -c 'what now?' /tmp/output); [ "${count:-0}" -lt "$1" ] && [ $n -lt 120 ]; do sleep 1; n=$((n + 1)); done
}
asked 1
echo reboot >&9
asked 2
for p in /proc/[0-9]*; do
	[ "$(tr '\0' ' ' <$p/cmdline 2>/dev/null)" = "vmboot vmm " ] || continue
	echo "root: $(ls -A $p/root/ | wc -l) entries"
	echo "owner: $(stat -c %u $p/fd)"
	echo "core: $(grep 'Max core' $p/limits | tr -s ' ')"
	for fd in $p/fd/*; do echo "fd: $(readlink $fd)"; done
	for t in $p/task/*; do
		echo "thread: $(cat $t/comm) $(grep -E '^(Uid|CapPrm|CapEff|NoNewPrivs|Seccomp):' $t/status | tr '\t\n' '  ')"
	done
done
echo poweroff >&9
wait
exec 9>&-
cat /tmp/output /tmp/ended
"""

# A user as adduser makes one, and the device as systemd's udev rules do.
USER = r"""
echo operator:x:1000:1000::/tmp:/bin/sh >>/etc/passwd
printf 'operator:x:1000:\nkvm:x:77:operator\n' >>/etc/group
chown 0:77 /dev/kvm; chmod 660 /dev/kvm; chmod 644 /k/*
"""


def check(out, uid):
    expect_text(out, "answer: reboot", "The guest was reset.", "answer: poweroff", "The guest switched itself off.",
                "ended: 0", "root: 0 entries", "owner: 0", "core: Max core file size 0 0")
    threads = re.findall(r"^thread: (\S+) (.*)$", out, re.M)
    expect(len(threads) >= 4, "control, the vCPU, the I/O thread and the disk's are there")
    for name, status in threads:
        expect_text(status, "CapPrm: 0000000000000000", "CapEff: 0000000000000000", "NoNewPrivs: 1", "Seccomp: 2",
                    "Uid: %d %d %d %d" % (uid, uid, uid, uid))
        expect(name, "a thread has a name")
    # Nothing of a directory, and of files only what was given to it.
    for link in re.findall(r"^fd: (.*)$", out, re.M):
        expect(re.match(r"/dev/kvm$|/dev/null$|/tmp/(disk|output)$|socket:|pipe:|anon_inode:|/memfd:", link),
               "descriptor %s belongs to a vmm" % link)


def test_root_and_user_of_group_kvm():
    starts = (("root", "/tmp/start"), ("user", "su -s /bin/sh operator -c /tmp/start"))
    got = run(USER + "".join(WATCH.replace("NAME", name).replace("START", start) for name, start in starts),
              files={"k/vmlinuz": VMLINUZ, "k/initrd": initramfs(INIT)})
    root, user = plain(got.output).split("== ")[1:]
    check(root, 65534)
    check(user, 1000)


def test_kernel_without_landlock_and_user_namespaces():
    """Layers that a kernel refuses are said, and the rest is there."""
    got = run("echo 0 >/proc/sys/user/max_user_namespaces; echo operator:x:1000:1000::/tmp:/bin/sh >>/etc/passwd; "
              "su -s /bin/sh operator -c 'vmboot doctor'; vmboot doctor", append="lsm=capability")
    out = plain(got.output)
    expect_text(out, "no empty root directory (run vmboot as root, or allow user namespaces); no Landlock",
                "finds: no Landlock (add it to lsm= of the kernel's command line).")
