/*
 * Looks for traces of an earlier life, leaves as many as it can, and resets the machine in one of
 * three ways. SEED: how many CPUs; the second one is left counting in memory.
 */
#include "guest.inc"

	.set MARK, 0x200000
	.set COUNT, 0x9000

	.macro must_be value what
	cmp $\value, %eax
	je 993f
	print "\what"
993:
	.endm

main:
	mov MARK, %eax
	must_be 0 "memory "
	mov COUNT, %eax
	must_be 0 "low-memory "
	mov $0x174, %ecx
	rdmsr
	must_be 0 "msr "
	mov $0x2FF, %ecx	/* MTRRs: enabled, write-back, as behind any firmware */
	rdmsr
	must_be 0x806 "mtrr-type "
	mov $0x201, %ecx
	rdmsr
	must_be 0 "mtrr-variable "
	mov $0x250, %ecx
	rdmsr
	must_be 0 "mtrr-fixed "
	mov %dr0, %eax
	must_be 0 "dr0 "
	mov %cr4, %eax
	must_be 0 "cr4 "
	mov 0xFEE000F0, %eax
	must_be 0xFF "svr "
	mov 0xFEE00320, %eax
	must_be 0x10000 "lvt "
	movl $0x1A, 0xFEC00000
	mov 0xFEC00010, %eax
	must_be 0x10000 "ioapic "
	mov $0x3FF, %edx
	xor %eax, %eax
	in %dx, %al
	must_be 0 "uart "
	mov $0xCF8, %edx
	in %dx, %eax
	must_be 0 "cf8 "
	call kvmclock_msr
	jz 1f
	rdmsr
	must_be 0 "kvmclock "
1:	call delay
	mov COUNT, %eax
	must_be 0 "running-cpu "
	print "end of check\n"

	movl $0x12345678, MARK
	mov $0x174, %ecx
	mov $0x1234, %eax
	xor %edx, %edx
	wrmsr
	mov $0x2FF, %ecx
	mov $0xC00, %eax
	wrmsr
	mov $0x201, %ecx
	mov $0xFFFFF800, %eax
	wrmsr
	mov $0x250, %ecx
	mov $0x06060606, %eax
	wrmsr
	mov $0x5555, %eax
	mov %eax, %dr0
	mov $0x10, %eax
	mov %eax, %cr4
	movl $0x1FF, 0xFEE000F0
	movl $0x20030, 0xFEE00320	/* timer, periodic */
	movl $1000000, 0xFEE00380
	movl $0x1A, 0xFEC00000
	movl $0x35, 0xFEC00010
	mov $0x3FF, %edx
	mov $0xAA, %al
	out %al, %dx
	mov $0xCF8, %edx
	mov $0x80000010, %eax
	out %eax, %dx
	call kvmclock_msr
	jz 2f
	mov $0x300001, %eax
	xor %edx, %edx
	wrmsr
2:	cmpl $1, seed
	jbe 3f
	call start_other

	/* CMOS RAM survives: it tells which way is next. */
3:	mov $0x40, %al
	out %al, $0x70
	in $0x71, %al
	mov %al, %bl
	inc %al
	out %al, $0x71
	and $3, %bl
	cmp $1, %bl
	je 4f
	cmp $2, %bl
	je 5f
	jmp reset
4:	mov $0xFE, %al
	out %al, $0x64
	jmp 6f
5:	mov $0x600, %edx
	mov $1, %al
	out %al, %dx
6:	mov $'!', %al
	call putc
	jmp 6b

/* ECX = the MSR; ZF set when this KVM has no new-style kvmclock. */
kvmclock_msr:
	mov $0x40000001, %eax
	cpuid
	mov $0x4B564D01, %ecx
	test $8, %al
	ret

start_other:
	cld
	mov $ap_begin, %esi
	mov $0x8000, %edi
	mov $ap_end - ap_begin, %ecx
	rep movsb
	movl $0xC4500, 0xFEE00300
	call delay
	movl $0xC4608, 0xFEE00300
	call delay
	ret

delay:
	mov $0x608, %edx
	in %dx, %eax
	mov %eax, %ecx
1:	in %dx, %eax
	sub %ecx, %eax
	cmp $3580, %eax
	jb 1b
	ret

	.code16
ap_begin:
	xor %ax, %ax
	mov %ax, %ds
1:	lock incl COUNT
	jmp 1b
ap_end:
	.code32
	.data
seed:	.ascii "SEED"
