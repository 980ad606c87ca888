# They drive the real program under a pseudo-terminal.
$(patsubst %.c,$(B)/%,$(shell grep -l menu_session.h tests/unit/test_*.c)): $(B)/vmboot
