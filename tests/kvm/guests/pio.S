/* Ports, MMIO and configuration space: prints what it reads, the test knows what that must be. */
#include "guest.inc"

main:
	cld
	/* OUTS: one exit with a count */
	mov $text, %esi
	mov $text_end - text, %ecx
	mov $0x3F8, %edx
	rep outsb

	/* Ports that nobody has */
	print "ports "
	mov $0x1234, %edx
	xor %eax, %eax
	in %dx, %al
	call puthex
	xor %eax, %eax
	in %dx, %ax
	call puthex
	xor %eax, %eax
	in %dx, %eax
	call puthex
	out %eax, %dx
	mov $buffer, %edi
	mov $3, %ecx
	rep insl
	mov buffer, %eax
	call puthex
	mov buffer + 8, %eax
	call puthex
	mov buffer + 12, %eax
	call puthex
	call newline

	/* Addresses that nobody has */
	print "mmio "
	xor %eax, %eax
	movb 0xD0000000, %al
	call puthex
	xor %eax, %eax
	movw 0xD0000000, %ax
	call puthex
	movl 0xD0000001, %eax
	call puthex
	movl %eax, 0xD0000000
	call newline

	/* The host bridge, both ways; a device that is not there */
	print "pci "
	mov $0x80000000, %eax
	mov $0xCF8, %edx
	out %eax, %dx
	mov $0xCFC, %edx
	in %dx, %eax
	call puthex
	mov 0xE8000000, %eax
	call puthex
	movzwl 0xE8000002, %eax
	call puthex
	mov 0xE80F8000, %eax
	call puthex
	call newline

	/* The PM timer runs */
	mov $0x608, %edx
	in %dx, %eax
	mov %eax, %ebx
	mov $1000, %ecx
1:	in %dx, %eax
	cmp %ebx, %eax
	jne 2f
	loop 1b
	print "timer stands\n"
	jmp power_off
2:	print "timer runs\n"
	jmp power_off

text:	.ascii "string io\n"
text_end:
	.data
	.balign 4
buffer:	.long 0, 0, 0, 0x12345678
