/* Touches ports and memory that nobody has: three and two times; then never ends. */
#include "guest.inc"

main:
	mov $0x1234, %edx
	in %dx, %al
	out %al, %dx
	in %dx, %eax
	movl 0xD0000000, %eax
	movl %eax, 0xD0000004
	print "poked\n"
1:	jmp 1b
