#include <stdio.h>

#include "count.h"

int main(int argc, char **argv) {
    printf("%d words\n", count(argc, argv));
    return 0;
}
