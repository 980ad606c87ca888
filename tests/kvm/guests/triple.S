/* An invalid instruction with no IDT to handle it. */
#include "guest.inc"

main:
	print "falling\n"
	lidt nothing
	ud2
nothing:
	.word 0
	.long 0
