# Drives the real program under a pseudo-terminal.
$(B)/tests/unit/test_ui_hints: $(B)/vmboot
