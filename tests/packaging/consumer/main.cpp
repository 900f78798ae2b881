#include <cstdio>
#include <stet/version.hpp>

int other_unit();

int main() {
  std::printf("stet %d.%d.%d\n", STET_VERSION_MAJOR, STET_VERSION_MINOR, STET_VERSION_PATCH);
  return other_unit();
}
