"""The tooling of the course: from source notebooks to package, release and grades."""
