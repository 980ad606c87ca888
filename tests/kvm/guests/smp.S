/* INIT, SIPI: every other CPU enters its APIC id into a table and counts itself. SEED: how many CPUs. */
#include "guest.inc"

	.set COUNT, 0x9000
	.set IDS, 0x9100

main:
	cld
	mov $ap_begin, %esi
	mov $0x8000, %edi
	mov $ap_end - ap_begin, %ecx
	rep movsb
	movl $0x1FF, 0xFEE000F0
	movl $0xC4500, 0xFEE00300	/* INIT, all but self */
	call delay
	movl $0xC4608, 0xFEE00300	/* SIPI, 0x8000 */
	call delay
	movl $0xC4608, 0xFEE00300
	mov $2000, %ebx
1:	call delay
	mov COUNT, %eax
	inc %eax
	cmp seed, %eax
	je 2f
	dec %ebx
	jnz 1b
	print "missing: "
2:	mov COUNT, %eax
	call puthex
	/* APIC ids and, from leaf 1, how many logical CPUs */
	xor %ebx, %ebx
3:	movzbl IDS(%ebx), %eax
	call puthex
	inc %ebx
	cmp seed, %ebx
	jb 3b
	mov $1, %eax
	cpuid
	shr $16, %ebx
	movzbl %bl, %eax
	call puthex
	call newline
	jmp power_off

/* 10 ms by the PM timer */
delay:
	mov $0x608, %edx
	in %dx, %eax
	mov %eax, %ecx
1:	in %dx, %eax
	sub %ecx, %eax
	cmp $35795, %eax
	jb 1b
	ret

	.code16
ap_begin:
	xor %ax, %ax
	mov %ax, %ds
	mov $1, %eax
	cpuid
	shr $24, %ebx
	mov %bl, IDS(%bx)
	lock incl COUNT
1:	cli
	hlt
	jmp 1b
ap_end:
	.code32
	.data
seed:	.ascii "SEED"
