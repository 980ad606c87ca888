/*
 * Firmware in flash: the last 64 KiB below 4 GiB, from the reset vector on, as a processor begins. Says
 * what it finds of OVMF's platform, programs a byte beside the variables and resets; when the byte is there
 * it tries to change its own code and switches off. Flat binary; a 4 MiB layout is in front of it.
 */
#define BASE	0xFFFF0000
#define VARS	0xFFC00000
#define SPARE	(VARS + 0x83FF0)
#define AT(x)	((x) - base + BASE)

	.code16
	.org 0
base:
start16:
	cli
	lgdtl %cs:gdt_pointer - base
	mov %cr0, %eax
	or $1, %eax
	mov %eax, %cr0
	ljmpl $8, $AT(start32)

	.align 8
gdt:	.quad 0, 0x00CF9B000000FFFF, 0x00CF93000000FFFF
gdt_pointer:
	.word 23
	.long AT(gdt)

	.code32
/* AL to the serial port. */
putc:
	push %edx
	mov $0x3F8, %edx
	out %al, %dx
	pop %edx
	ret

/* The word after the call, up to its NUL; then EBX as 8 hexadecimal digits, and a space. */
tell:
	pop %esi
1:	lodsb
	test %al, %al
	jz 2f
	call putc
	jmp 1b
2:	push %esi
	mov $8, %ecx
3:	rol $4, %ebx
	mov %ebx, %eax
	and $15, %eax
	cmp $10, %eax
	jb 4f
	add $'a' - '0' - 10, %eax
4:	add $'0', %eax
	call putc
	loop 3b
	mov $' ', %al
	jmp putc

/* Configuration address EAX: the register's value in EBX. */
config:
	mov $0xCF8, %edx
	out %eax, %dx
	mov $0xCFC, %edx
	in %dx, %eax
	mov %eax, %ebx
	ret

start32:
	mov $16, %eax
	mov %eax, %ds
	mov %eax, %es
	mov %eax, %ss
	mov $0x8000, %esp

	mov $0x80000000, %eax
	call config
	call tell
	.asciz "bridge "
	mov $0x80000B40, %eax
	call config
	call tell
	.asciz "pm "
	mov $0x510, %edx
	xor %eax, %eax
	out %ax, %dx
	inc %edx
	mov $4, %ecx
1:	in %dx, %al
	ror $8, %eax
	loop 1b
	mov %eax, %ebx
	call tell
	.asciz "fw_cfg "
	mov VARS + 0x28, %ebx
	call tell
	.asciz "store "

	/* Is it a chip? */
	movb $0x50, VARS + 16
	movzbl VARS + 16, %ebx
	movb $0x70, VARS + 16
	mov VARS + 16, %bh
	movb $0xFF, VARS + 16
	call tell
	.asciz "probe "

	movzbl SPARE, %ebx
	call tell
	.asciz "spare "
	cmpb $0xFF, SPARE
	jne again
	movb $0x10, SPARE
	movb $0x5A, SPARE
	movzbl SPARE, %ebx
	movb $0xFF, SPARE
	mov SPARE, %bh
	call tell
	.asciz "programmed "
	mov $10000, %ecx	/* until it is mapped again, and then */
2:	cmpb $0x5A, SPARE
	loope 2b
	mov SPARE, %ebx
	call tell
	.asciz "read "
	mov $0xCF9, %edx
	mov $6, %al
	out %al, %dx
	hlt

again:
	mov $0x12345678, %eax
	mov %eax, AT(start16)
	xor %ebx, %ebx
	cmp %eax, AT(start16)
	sete %bl
	call tell
	.asciz "changed "
	mov $0xB004, %edx
	mov $0x2000, %eax
	out %ax, %dx
	hlt

	.code16
	.org 0xFFF0
	jmp start16
	.org 0xFFFF
	.byte 0
