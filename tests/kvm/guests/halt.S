/* Sleeps for ever, with interrupts off. */
#include "guest.inc"

main:
	print "halting\n"
1:	cli
	hlt
	jmp 1b
