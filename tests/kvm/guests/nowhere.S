/* Jumps to where no memory is. */
#include "guest.inc"

main:
	print "jumping\n"
	mov $0xD0000000, %eax
	jmp *%eax
