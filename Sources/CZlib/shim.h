// zlib's gz* calls read plain and gzip-compressed files alike.
#include <zlib.h>
