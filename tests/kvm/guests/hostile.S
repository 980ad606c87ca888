/*
 * Random writes and reads to ports, to MMIO and to configuration space, for ever, from SEED
 * (xorshift32). Left out: the ports that end or reset the machine on purpose, and the interrupt
 * controllers, which are the kernel's. Prints a dot now and then.
 */
#include "guest.inc"

main:
	movl seed, %ebp
again:
	incl rounds
	testl $0xFFF, rounds
	jnz 1f
	mov $0x3FB, %edx	/* the line control may be anything by now: not the divisor, please */
	mov $3, %al
	out %al, %dx
	mov $'.', %al
	call putc
1:	call random
	and $15, %eax
	cmp $5, %eax
	jb port
	cmp $10, %eax
	jb config
	jmp mmio

random:				/* EAX; state in EBP */
	mov %ebp, %eax
	shl $13, %eax
	xor %eax, %ebp
	mov %ebp, %eax
	shr $17, %eax
	xor %eax, %ebp
	mov %ebp, %eax
	shl $5, %eax
	xor %eax, %ebp
	mov %ebp, %eax
	ret

/* A port; half of them where devices are. */
port:
	call random
	mov %eax, %edx
	test $0x10000, %eax
	jz 1f
	and $15, %eax
	mov ports(,%eax,4), %ecx
	and $7, %edx
	add %ecx, %edx
1:	and $0xFFFF, %edx
	/* Accesses of four bytes must not reach them either. */
	lea -0x600 + 3(%edx), %eax
	cmp $8, %eax
	jb again
	lea -0xCF9 + 3(%edx), %eax
	cmp $4, %eax
	jb again
	lea -0x64 + 3(%edx), %eax
	cmp $4, %eax
	jb again
	call random
	mov %eax, %ecx
	call random
	and $7, %ecx
	cmp $0, %ecx
	je 2f
	cmp $1, %ecx
	je 3f
	cmp $2, %ecx
	je 4f
	cmp $3, %ecx
	je 5f
	cmp $4, %ecx
	je 6f
	out %al, %dx
	jmp again
2:	in %dx, %al
	jmp again
3:	in %dx, %ax
	jmp again
4:	in %dx, %eax
	jmp again
5:	out %ax, %dx
	jmp again
6:	out %eax, %dx
	jmp again

/* Configuration space of the first slots; now and then a command register that switches decoding on. */
config:
	call random
	and $0x1FFC, %eax	/* slots 0 to 3 */
	or $0x80000000, %eax
	mov %eax, %ecx
	mov $0xCF8, %edx
	out %eax, %dx
	call random
	mov $0xCFC, %edx
	test $0xF0000, %eax
	jnz 1f
	mov %ecx, %eax
	and $0xFFFFF800, %eax
	or $4, %eax
	mov $0xCF8, %edx
	out %eax, %dx
	mov $0xCFC, %edx
	mov $7, %eax
	out %eax, %dx
	jmp again
1:	test $0x100000, %eax
	jnz 2f
	out %eax, %dx
	jmp again
2:	in %dx, %eax
	jmp again

/* MMIO: the PCI windows, the ECAM, what the BARs hold. */
mmio:
	call random
	and $7, %eax
	mov windows(,%eax,8), %ebx
	mov windows + 4(,%eax,8), %ecx
	call random
	and %ecx, %eax
	add %eax, %ebx
	call random
	test $7, %eax
	jnz 1f
	/* A BAR of slot 1 or 2, if it lies above RAM and below the local APIC */
	and $0x18, %eax
	lea 0xE8008010(%eax), %ecx
	mov (%ecx), %ebx
	and $~15, %ebx
	cmp $0xC0000000, %ebx
	jb again
	cmp $0xFEC00000, %ebx
	jae again
	call random
	and $0x3FFC, %eax
	add %eax, %ebx
1:	call random
	mov %eax, %ecx
	call random
	and $7, %ecx
	cmp $0, %ecx
	je 2f
	cmp $1, %ecx
	je 3f
	cmp $2, %ecx
	je 4f
	mov %eax, (%ebx)
	jmp again
2:	mov (%ebx), %eax
	jmp again
3:	movb %al, (%ebx)
	jmp again
4:	movw %ax, (%ebx)
	jmp again

	.data
	.balign 4
seed:	.ascii "SEED"
rounds:	.long 0
ports:
	.long 0x60, 0x70, 0x3F8, 0x3F8, 0x402, 0x604, 0x608, 0x60C
	.long 0xCF8, 0xCFC, 0xCFC, 0x400, 0x510, 0x80, 0xC000, 0x40
windows:
	.long 0xC0000000, 0x00FFFFFF
	.long 0xC0000000, 0x3BFFFFFF
	.long 0xE8000000, 0x00007FFF
	.long 0xE8000000, 0x00007FFF
	.long 0xE8000000, 0x0FFFFFFF
	.long 0xFED40000, 0x0000001F
	.long 0xD0000000, 0x0000FFFF
	.long 0xFED00000, 0x0000FFFF
