/*
 * Says "ready" and sends back every byte it gets, but: q switches off, F prints 400,000 bytes that
 * nobody may be reading and switches off, L prints 50,000 and some last words and does so, T ends in
 * a triple fault.
 */
#include "guest.inc"

main:
	print "ready\n"
next:
	mov $0x3FD, %edx
	in %dx, %al
	test $1, %al
	jz next
	mov $0x3F8, %edx
	in %dx, %al
	cmp $'q', %al
	je power_off
	cmp $'F', %al
	je flood
	cmp $'L', %al
	je last_words
	cmp $'T', %al
	je triple_fault
	call putc
	jmp next

flood:
	mov $400000, %ecx
	mov $'x', %al
1:	call putc
	loop 1b
	jmp power_off

last_words:
	mov $50000, %ecx
	mov $'x', %al
1:	call putc
	loop 1b
	print "and that was all"
	jmp power_off

triple_fault:
	lidt no_idt
	int3
no_idt:
	.word 0
	.long 0
