# Drives the real program under a pseudo-terminal.
$(B)/tests/unit/test_ui_view $(B)/tests/unit/test_ui_pci: $(B)/vmboot
