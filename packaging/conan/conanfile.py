"""Recipe of Conan 2 for this checkout:  conan create packaging/conan --build=missing"""
import os
import re

from conan import ConanFile
from conan.tools.build import check_min_cppstd
from conan.tools.files import copy, load


class StetConan(ConanFile):
    name = "stet"
    license = "Apache-2.0"
    description = "Quantization-aware training in C++, bit-exact with the integer runtime"
    package_type = "header-library"
    settings = "os", "arch", "compiler", "build_type"
    options = {"openmp": [True, False], "zlib": [True, False]}
    default_options = {"openmp": True, "zlib": True}
    no_copy_source = True

    @property
    def _root(self):
        return os.path.join(self.recipe_folder, "..", "..")

    def set_version(self):
        # The version stands in one place: include/stet/version.hpp.
        text = load(self, os.path.join(self._root, "include", "stet", "version.hpp"))
        self.version = ".".join(re.search(rf"#define STET_VERSION_{part} (\d+)", text).group(1) for part in ("MAJOR", "MINOR", "PATCH"))

    def export_sources(self):
        for pattern in ("LICENSE", "include/*"):
            copy(self, pattern, self._root, self.export_sources_folder)

    def requirements(self):
        self.requires("fmt/[>=9]", transitive_headers=True, transitive_libs=True)
        self.requires("eigen/[>=3.4 <4]", transitive_headers=True)
        if self.options.zlib:
            self.requires("zlib/[>=1.2.11 <2]", transitive_headers=True, transitive_libs=True)

    def validate(self):
        check_min_cppstd(self, 20)

    def package_id(self):
        self.info.clear()  # headers alone: one package for all settings

    def package(self):
        copy(self, "LICENSE", self.source_folder, os.path.join(self.package_folder, "licenses"))
        copy(self, "*.hpp", os.path.join(self.source_folder, "include"), os.path.join(self.package_folder, "include"))

    def package_info(self):
        self.cpp_info.bindirs = []
        self.cpp_info.libdirs = []
        self.cpp_info.set_property("cmake_file_name", "stet")
        self.cpp_info.set_property("cmake_target_name", "stet::stet")
        self.cpp_info.set_property("pkg_config_name", "stet")
        self.cpp_info.defines = [f"STET_HAS_ZLIB={int(bool(self.options.zlib))}"]
        if self.options.openmp:
            self.cpp_info.cxxflags = ["-fopenmp"]
            self.cpp_info.exelinkflags = ["-fopenmp"]
            self.cpp_info.sharedlinkflags = ["-fopenmp"]
