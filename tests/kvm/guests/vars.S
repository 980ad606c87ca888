/*
 * Plays with the variable store at the end of 64 MiB. SEED 1: changes a byte of its free space,
 * switches off. SEED 2: destroys its signature and resets; prints what it finds. SEED 3: the same without a word, after
 * saying that it panicked.
 */
#include "guest.inc"

	.set STORE, 0x4000000 - 0x84000

main:
	cmpl $3, seed
	je 2f
	mov STORE + 0x28, %eax
	call puthex
	mov STORE + 0x83FF0, %eax
	call puthex
	call newline
	cmpl $2, seed
	je 1f
	movb $0x5A, STORE + 0x83FF0
	jmp power_off
2:	mov $0x505, %edx
	mov $1, %al
	out %al, %dx
1:	movl $0, STORE + 0x28
	jmp reset

	.data
seed:	.ascii "SEED"
