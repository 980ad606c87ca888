/*
 * From the PVH entry (32 bits, no paging) to main() in 64-bit mode at privilege level 3 with I/O
 * rights, all of the first 4 GiB mapped one to one. Level 3 because KVM-PVM emulates what runs at
 * level 0, 250 ns an instruction, and runs level 3 as it is; on other KVMs it makes no difference.
 * There are no interrupts and no traps: a fault ends the machine.
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
	lgdt	gdt_pointer
	ljmp	$0x08, $start64

	.code64
start64:
	mov	$0x10, %eax
	mov	%eax, %ss
	pushq	$0x1b	/* SS */
	pushq	$stack_top
	pushq	$0x3002 /* IOPL 3 */
	pushq	$0x23	/* CS */
	pushq	$user
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
gdt_pointer:
	.word . - gdt - 1
	.long gdt

	.bss
	.balign 4096
root:	.skip 4096
pointers: .skip 4096
directories: .skip 4 * 4096
	.skip 16384
stack_top:
