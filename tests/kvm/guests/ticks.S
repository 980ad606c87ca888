/*
 * Counts for ever, each number by one OUTS, and sees whether what it wrote to a port stayed there:
 * if not, it says so and switches off.
 */
#include "guest.inc"

main:
	cld
	xor %ebp, %ebp
1:	mov %ebp, %eax
	mov $text, %edi
	mov $8, %ecx
2:	rol $4, %eax
	mov %eax, %ebx
	and $15, %ebx
	mov hex_digits(%ebx), %bl
	mov %bl, (%edi)
	inc %edi
	loop 2b
	mov $text, %esi
	mov $9, %ecx
	mov $0x3F8, %edx
	rep outsb

	mov $0x3FF, %edx	/* the serial port's scratch register */
	mov %ebp, %eax
	out %al, %dx
	xor %eax, %eax
	in %dx, %al
	mov %ebp, %ebx
	cmp %bl, %al
	jne 3f
	inc %ebp
	jmp 1b
3:	print "lost\n"
	jmp power_off

	.data
text:	.ascii "00000000\n"
