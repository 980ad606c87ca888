/* Counts the virtio-blk functions on the bus, says how many, and waits. */
#include "guest.inc"

main:
	xor %ebx, %ebx			/* slot */
	xor %ebp, %ebp			/* found */
1:	mov %ebx, %eax
	shl $11, %eax
	or $0x80000000, %eax
	mov $0xCF8, %edx
	out %eax, %dx
	mov $0xCFC, %edx
	in %dx, %eax
	cmp $0x10421AF4, %eax
	jne 2f
	inc %ebp
2:	inc %ebx
	cmp $32, %ebx
	jb 1b
	print "disks "
	mov %ebp, %eax
	call puthex
	call newline
	cli
3:	hlt
	jmp 3b
