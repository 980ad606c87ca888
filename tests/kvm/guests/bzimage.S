/*
 * A Linux kernel as far as a boot loader can tell: a bzImage with a 64-bit entry point that prints
 * what it was given, spoils all of it, and switches the machine off; with a command line that begins
 * with 'r' it resets the machine instead. Flat binary, position independent, integers only.
 */
	.code64
	.org 0x1F1
	.byte 1			/* setup_sects: the kernel begins at 1024 */
	.word 0
	.long (end - kernel) / 16
	.org 0x1FE
	.word 0xAA55
	.byte 0xEB, header_end - . - 1
	.ascii "HdrS"
	.word 0x020F
	.org 0x211
	.byte 1			/* loadflags: LOADED_HIGH */
	.org 0x22C
	.long 0x7FFFFFFF	/* initrd_addr_max */
	.long 0x200000		/* kernel_alignment */
	.byte 1, 0		/* relocatable */
	.word 1			/* xloadflags: XLF_KERNEL_64 */
	.long 255		/* cmdline_size */
	.org 0x258
	.quad 0x1000000		/* pref_address */
	.long 0x100000		/* init_size */
	.org 0x26C
header_end:

	.org 1024
kernel:
	hlt			/* the 32-bit entry, which nobody is to use */
	.org 1024 + 0x200
entry64:
	mov $0x90000, %esp
	mov %rsi, %rbp		/* boot_params */

	lea text_at(%rip), %rsi
	call puts
	lea entry64(%rip), %rax
	call puthex
	mov %cs, %eax
	call puthex
	mov %ds, %eax
	call puthex
	mov %ss, %eax
	call puthex
	mov %es, %eax
	call puthex
	pushf			/* interrupts are off */
	pop %rax
	call puthex
	/* The GDT is there: load every selector once more from it. */
	mov $0x18, %eax
	mov %eax, %ds
	mov %eax, %es
	mov %eax, %ss
	pushq $0x10
	lea reloaded(%rip), %rax
	push %rax
	lretq
reloaded:
	lea text_params(%rip), %rsi
	call puts
	mov 0x202(%rbp), %eax
	call puthex
	movzbl 0x1E8(%rbp), %eax
	call puthex
	mov 0x21C(%rbp), %eax
	call puthex
	mov 0x70(%rbp), %rsi	/* RSDP */
	mov (%rsi), %eax
	call puthex
	lea text_cmdline(%rip), %rsi
	call puts
	mov 0x228(%rbp), %esi
	mov (%rsi), %r12b	/* what to do at the end */
	call puts
	lea text_initrd(%rip), %rsi
	call puts
	mov 0x218(%rbp), %esi
	test %esi, %esi
	jz 1f
	call puts
1:	lea text_end(%rip), %rsi
	call puts

	/* A second start must not find these. */
	mov 0x228(%rbp), %esi
	movb $'X', 1(%rsi)
	mov 0x218(%rbp), %esi
	test %esi, %esi
	jz 1f
	movb $'X', 1(%rsi)
1:	movb $'X', text_params(%rip)
	movl $0, 0x202(%rbp)
	movl $0, 0x21C(%rbp)
	mov 0x70(%rbp), %rsi
	movl $0, (%rsi)

	cmp $'r', %r12b
	je 1f
	mov $0x600, %edx
	mov $0x34, %al
	out %al, %dx
1:	mov $0xCF9, %edx
	mov $6, %al
	out %al, %dx
2:	jmp 2b

putc:
	push %rdx
	mov $0x3F8, %edx
	out %al, %dx
	pop %rdx
	ret

puts:
	mov (%rsi), %al
	inc %rsi
	test %al, %al
	jz 1f
	call putc
	jmp puts
1:	ret

/* EAX as 8 hexadecimal digits and a space. */
puthex:
	mov %eax, %ebx
	mov $8, %ecx
1:	rol $4, %ebx
	mov %ebx, %eax
	and $15, %eax
	lea digits(%rip), %rdx
	mov (%rdx,%rax), %al
	call putc
	dec %ecx
	jnz 1b
	mov $' ', %al
	jmp putc

digits:
	.ascii "0123456789abcdef"
text_at:
	.asciz "entry "
text_params:
	.asciz "\nparams "
text_cmdline:
	.asciz "\ncmdline ["
text_initrd:
	.asciz "]\ninitrd ["
text_end:
	.asciz "]\nend\n"
	.balign 16
end:
