"""What the modules of classes share that people copy instead of installing them, saved by tf_keras and by Keras 3."""

from __future__ import annotations

from typing import Any

from fixture_models.common import Catalogue


class Copied:
    """The classes of a module, and the models made with them; `keras` is the Keras that runs."""

    def __init__(self, name: str, keras: Any) -> None:
        self.keras = keras
        base = "keras-3.15" if keras.__version__.startswith("3.") else "tf_keras-2.21"
        self.catalogue = Catalogue(f"{name}-{base}")
        self.classes: dict[str, Any] = {}

    def layer(self, *fields: str) -> Any:
        """Registered for loading, with a config of these arguments, as the tutorials' readers write it."""

        def decorate(cls: Any) -> Any:
            def get_config(layer: Any) -> dict[str, Any]:
                return {**super(cls, layer).get_config(), **{name: getattr(layer, name) for name in fields}}

            cls.get_config = get_config
            self.classes[cls.__name__] = cls
            return cls

        return decorate

    def reload(self, path: Any) -> Any:
        return self.keras.models.load_model(str(path), custom_objects=self.classes)

    def as_h5(self, *covers: str, **options: Any) -> Any:
        def decorate(build: Any) -> Any:
            self.catalogue.add(*covers, name=f"{build.__name__}_h5", reload=self.reload, **options)(build)
            return build

        return decorate

    def as_zip(self, *covers: str, **options: Any) -> Any:
        def decorate(build: Any) -> Any:
            options.update(name=f"{build.__name__}_zip", container="keras-zip", suffix=".keras", reload=self.reload)
            self.catalogue.add(*covers, **options)(build)
            return build

        return decorate

    def both(self, *covers: str, **options: Any) -> Any:
        """Add the model as HDF5 and as a Keras zip."""
        return lambda build: self.as_zip(*covers, **options)(self.as_h5(*covers, **options)(build))

    def once(self, *covers: str, **options: Any) -> Any:
        """Add the model as tf_keras's users have it, HDF5, or as Keras 3's do, a Keras zip."""
        kind = self.as_zip if self.keras.__version__.startswith("3.") else self.as_h5
        return kind(*covers, **options)

    def by_tf_keras(self, *covers: str, **options: Any) -> Any:
        """Add the model as HDF5 of tf_keras alone, where the other container would say nothing new."""
        return (lambda build: build) if self.keras.__version__.startswith("3.") else self.as_h5(*covers, **options)

    def by_keras_3(self, *covers: str, **options: Any) -> Any:
        """Add the model as HDF5 of Keras 3 alone, for what is written for it."""
        return self.as_h5(*covers, **options) if self.keras.__version__.startswith("3.") else (lambda build: build)
