/* The shortest guest: one byte to the serial port as its first act, then sleep. */
	.section .note.pvh, "a", @note
	.long 4, 4, 18 /* XEN_ELFNOTE_PHYS32_ENTRY */
	.asciz "Xen"
	.long start

	.text
	.code32
	.globl start
start:
	mov	$0x3f8, %edx
	mov	$'!', %al
	outb	%al, %dx
1:	cli
	hlt
	jmp	1b
