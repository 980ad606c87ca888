/*
 * Starts the watchdog with 2 s and serves it for half a second; then serves it no more. After the reset
 * it looks who did it and switches off.
 */
#include "guest.inc"

main:
	mov $0x611, %edx
	in %dx, %al
	test $1, %al
	jnz fired
	mov $0x614, %edx
	mov $20, %eax
	out %ax, %dx
	mov $0x610, %edx
	mov $1, %al
	out %al, %dx
	print "served\n"
	mov $50, %ebx
1:	call delay
	mov $0x612, %edx
	out %al, %dx
	dec %ebx
	jnz 1b
	print "served no more\n"
2:	hlt
	jmp 2b

fired:
	mov $1, %al
	out %al, %dx
	in %dx, %al
	test $1, %al
	jnz 3f
	print "reset by the watchdog\n"
3:	jmp power_off

/* 10 ms of the PM timer. */
delay:
	mov $0x608, %edx
	in %dx, %eax
	mov %eax, %ecx
1:	in %dx, %eax
	sub %ecx, %eax
	cmp $35795, %eax
	jb 1b
	ret
