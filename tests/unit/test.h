/* What every unit test includes: cmocka needs these headers before its own. */
#ifndef VMB_TESTS_UNIT_TEST_H
#define VMB_TESTS_UNIT_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#endif
