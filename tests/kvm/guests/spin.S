/* Never ends. */
#include "guest.inc"

main:
	print "spinning\n"
1:	jmp 1b
