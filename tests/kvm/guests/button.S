/* Waits for the power button in the event byte, with its interrupt, then switches off. */
#include "guest.inc"
#include "irq.inc"

main:
	call irq_setup
	mov $9, %ecx		/* level */
	mov $0x8029, %eax
	call ioapic_route
	print "waiting\n"
	sti
1:	hlt
	cmpl $0, pressed
	je 1b
	print "pressed\n"
	jmp power_off

irq_handler:
	push %eax
	push %edx
	mov $0x60C, %edx
	in %dx, %al
	test $1, %al
	jz 1f
	incl pressed
1:	movl $0, 0xFEE000B0
	pop %edx
	pop %eax
	irq_return

	.data
pressed: .long 0
