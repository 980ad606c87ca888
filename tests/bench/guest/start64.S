/*
 * From the PVH entry (32 bits, no paging) to main() in 64-bit mode at privilege level 3 with I/O
 * rights (by the task state's bitmap), all of the first 4 GiB mapped one to one. Level 3 because KVM-PVM emulates what runs at
 * level 0, 250 ns an instruction, and runs level 3 as it is; on other KVMs it makes no difference.
 *
 * At level 3 the instruction ud2 sleeps until an interrupt of vector 0x50, the only one, has come
 * (KVM-PVM delivers exceptions, but no int n); interrupts are taken nowhere else, so none is missed.
 * Any other trap ends the machine.
 */
	.section .note.pvh, "a", @note
	.long 4, 4, 18 /* XEN_ELFNOTE_PHYS32_ENTRY */
	.asciz "Xen"
	.long start

	.text
	.code32
	.globl start
start:
	cli
	mov	$stack_top, %esp
	/* Four page directories of 2 MiB pages: present, writable, user, large. */
	mov	$directories, %edi
	mov	$0x87, %eax
	mov	$2048, %ecx
1:	mov	%eax, (%edi)
	movl	$0, 4(%edi)
	add	$0x200000, %eax
	add	$8, %edi
	dec	%ecx
	jnz	1b
	mov	$directories + 7, %eax
	mov	%eax, pointers
	add	$0x1000, %eax
	mov	%eax, pointers + 8
	add	$0x1000, %eax
	mov	%eax, pointers + 16
	add	$0x1000, %eax
	mov	%eax, pointers + 24
	movl	$pointers + 7, root
	mov	$0x20, %eax /* PAE */
	mov	%eax, %cr4
	mov	$root, %eax
	mov	%eax, %cr3
	mov	$0xC0000080, %ecx /* EFER: LME */
	mov	$0x100, %eax
	xor	%edx, %edx
	wrmsr
	mov	$0x80000011, %eax /* PG, ET, PE */
	mov	%eax, %cr0
	/* Interrupt gates: address in three parts, selector 8. */
	mov	$wait, %eax
	movw	%ax, idt + 6 * 16
	movw	$0x0008, idt + 6 * 16 + 2
	shr	$16, %eax
	movw	%ax, idt + 6 * 16 + 6
	movw	$0x8e00, idt + 6 * 16 + 4
	mov	$interrupt, %eax
	movw	%ax, idt + 0x50 * 16
	movw	$0x0008, idt + 0x50 * 16 + 2
	movw	$0x8e00, idt + 0x50 * 16 + 4
	shr	$16, %eax
	movw	%ax, idt + 0x50 * 16 + 6
	movl	$kernel_stack_top, task + 4
	/* The task state's address into its descriptor, which scatters it; its I/O bitmap allows all. */
	movw	$104, task + 102
	mov	$task, %eax
	mov	%ax, gdt_task + 2
	shr	$16, %eax
	mov	%al, gdt_task + 4
	mov	%ah, gdt_task + 7
	lgdt	gdt_pointer
	lidt	idt_pointer
	ljmp	$0x08, $start64

	.code64
start64:
	mov	$0x10, %eax
	mov	%eax, %ss
	mov	$0x28, %eax
	ltr	%ax
	pushq	$0x1b	/* SS */
	pushq	$stack_top
	pushq	$0x0002
	pushq	$0x23	/* CS */
	pushq	$user
	iretq
wait:
	addq	$2, (%rsp) /* behind the ud2 */
	sti
	hlt
	cli
	iretq
interrupt:
	push	%rax
	mov	$0xfee000b0, %eax /* end of interrupt */
	movl	$0, (%rax)
	pop	%rax
	iretq
user:
	call	main
1:	pause
	jmp	1b

	.data
	.balign 8
gdt:
	.quad 0
	.quad 0x00af9b000000ffff /* 08: code, 64 bits */
	.quad 0x00cf93000000ffff /* 10: data */
	.quad 0x00cff3000000ffff /* 18: data, level 3 */
	.quad 0x00affb000000ffff /* 20: code, 64 bits, level 3 */
gdt_task:
	.quad 0x0000890000000000 + 104 + 8192 /* 28: task state, 64 bits, two entries long */
	.quad 0
gdt_pointer:
	.word . - gdt - 1
	.long gdt
idt_pointer:
	.word 256 * 16 - 1
	.long idt

	.bss
	.balign 4096
root:	.skip 4096
pointers: .skip 4096
directories: .skip 4 * 4096
idt:	.skip 256 * 16
task:	.skip 104 + 8192 + 8
	.skip 16384
stack_top:
	.skip 4096
kernel_stack_top:
