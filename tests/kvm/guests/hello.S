/* Says hello and switches the machine off. */
#include "guest.inc"

main:
	print "hello from the guest\n"
	jmp power_off
