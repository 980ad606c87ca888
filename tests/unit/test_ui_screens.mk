# Drives the real program under a pseudo-terminal.
$(B)/tests/unit/test_ui_screens $(B)/tests/unit/test_ui_transparent $(B)/tests/unit/test_ui_random: $(B)/vmboot
