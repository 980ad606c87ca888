/* Prints 200,000 bytes without looking, then switches off. */
#include "guest.inc"

main:
	mov $200000, %ecx
	mov $'x', %al
1:	call putc
	loop 1b
	jmp power_off
