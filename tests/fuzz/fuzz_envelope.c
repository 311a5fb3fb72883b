/* The envelope reader and jansson agree on every line. Abort says that they do not. */
#include "envelope_oracle.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	const char *why = envelope_disagree(data, n);
	if (why) {
		fprintf(stderr, "%s\n", why);
		abort();
	}
	return 0;
}
