/* Does what firmware does in its phases, as far as ports go, and waits after each for a byte. */
#include "guest.inc"

	.macro cmos reg value
	mov $\reg, %al
	out %al, $0x70
	mov $\value, %al
	out %al, $0x71
	.endm

main:
	cld
	call wait
	cmos 0x0F 0
	call wait
	cmos 0x0A 0x26
	call wait
	print "x"
	call wait
	print "BdsDxe: starting Boot0001"
	call wait
	jmp reset

/* A byte from the serial port. */
wait:
	mov $0x3FD, %edx
1:	in %dx, %al
	test $1, %al
	jz 1b
	mov $0x3F8, %edx
	in %dx, %al
	ret
