# Drives the real program.
$(B)/tests/unit/test_report: $(B)/vmboot
