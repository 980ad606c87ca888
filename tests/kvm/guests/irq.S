/* The UART's transmitter-empty interrupt through the I/O APIC, five times, while the CPU sleeps in HLT. */
#include "guest.inc"
#include "irq.inc"

main:
	call irq_setup
	mov $4, %ecx		/* GSI 4: edge, fixed, vector 0x24 */
	mov $0x24, %eax
	call ioapic_route
	mov $0x3FC, %edx
	mov $8, %al		/* OUT2 lets the interrupt out */
	out %al, %dx
	mov $0x3F9, %edx
	mov $2, %al
	out %al, %dx
	sti
1:	hlt
	cmpl $5, count
	jb 1b
	cli
	print " done\n"
	jmp power_off

irq_handler:
	push %eax
	push %edx
	mov $0x3FA, %edx
	in %dx, %al
	and $15, %al
	cmp $2, %al		/* transmitter empty */
	jne 2f
	incl count
	mov count, %eax
	add $'0', %al
	cmpl $5, count
	ja 2f
	call putc
2:	movl $0, 0xFEE000B0	/* EOI */
	pop %edx
	pop %eax
	irq_return

	.data
count:	.long 0
