/*
 * Says what the two PICs mask (OCW1) and what waits there (OCW3: read IRR), masks nothing any more, then sleeps for ever,
 * with interrupts off.
 */
#include "guest.inc"

main:
	xor %eax, %eax
	in $0xA1, %al
	mov %al, %ah
	in $0x21, %al
	call puthex
	mov $0x0A, %al
	out %al, $0x20
	out %al, $0xA0
	xor %eax, %eax
	in $0xA0, %al
	mov %al, %ah
	in $0x20, %al
	call puthex
	xor %eax, %eax
	out %al, $0x21
	out %al, $0xA1
	print "halting\n"
1:	cli
	hlt
	jmp 1b
